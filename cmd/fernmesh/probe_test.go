package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// probe is the program that commands of tests run. Its first argument says what
// it does.
func probe() {
	args := os.Args[1:]
	switch args[0] {
	case "argv":
		for _, a := range args[1:] {
			fmt.Printf("%q\n", a)
		}
	case "env":
		for _, v := range os.Environ() {
			if name, _, _ := strings.Cut(v, "="); len(args) == 1 || name == args[1] {
				fmt.Println(v)
			}
		}
	case "dir":
		dir, _ := os.Getwd()
		fmt.Println(dir)
	case "cat":
		_, _ = io.Copy(os.Stdout, os.Stdin)
	case "print":
		text, _ := strconv.Unquote(`"` + args[1] + `"`)
		fmt.Print(text)
	case "exit":
		fmt.Fprintln(os.Stderr, "first "+strings.Repeat("x", 5000))
		fmt.Fprintln(os.Stderr, args[2])
		code, _ := strconv.Atoi(args[1])
		os.Exit(code)
	case "flood":
		for {
			fmt.Println(strings.Repeat("x", 1000))
		}
	case "sleep":
		time.Sleep(time.Hour)
	case "spawn": // leaves a child that holds its output, and says both numbers
		child := exec.Command(os.Args[0], "sleep")
		child.Stdout = os.Stdout
		if err := child.Start(); err != nil {
			os.Exit(9)
		}
		text := fmt.Sprintf("%d %d", os.Getpid(), child.Process.Pid)
		if os.WriteFile(args[1]+".tmp", []byte(text), 0o600) != nil || os.Rename(args[1]+".tmp", args[1]) != nil {
			os.Exit(9)
		}
		if len(args) > 2 {
			time.Sleep(time.Hour)
		}
	}
}
