//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package main

import (
	"errors"
	"os"
)

// isTerminal is false here: nothing is asked, and a line comes through a pipe.
func isTerminal(*os.File) bool { return false }

func hideInput(*os.File) (restore func(), err error) { return nil, errors.ErrUnsupported }
