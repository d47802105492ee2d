package main

import (
	"bufio"
	"io"
	"strings"
	"testing"
)

// One program subscribes, another one publishes, through a node that is a third.
func TestPublishAndSubscribe(t *testing.T) {
	p := newPlace(t)
	kitchen, _, err := startNode(p.command("serve", "--name", "kitchen", "--until-eof"))
	if err != nil {
		t.Fatal(err)
	}
	defer kitchen.Close()
	reader := p.command("subscribe", "news.*", "--count", "2")
	notes, err := reader.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	reader.Stdout = &out
	if err := reader.Start(); err != nil {
		t.Fatal(err)
	}
	note, err := bufio.NewReader(notes).ReadString('\n')
	if err != nil || note != "fernmesh: subscribed to news.*, at 1 nodes so far\n" {
		t.Fatalf("it said %q, %v", note, err)
	}
	go func() { _, _ = io.Copy(io.Discard, notes) }()
	for _, args := range [][]string{{"news.today", `{"a":[1,true]}`}, {"weather", "sun"}, {"news.later", "rain"}} {
		if text, err := p.command(append([]string{"publish"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("publish %v: %v, %s", args, err, text)
		}
	}
	if err := reader.Wait(); err != nil {
		t.Error(err)
	}
	if want := "kitchen news.today: {\"a\":[1,true]}\nkitchen news.later: rain\n"; out.String() != want {
		t.Errorf("the subscriber printed %q, want %q", out.String(), want)
	}
}
