//go:build !unix

package main

import "os/exec"

// ownGroup does nothing here: there are no process groups, and the program is
// ended alone.
func ownGroup(*exec.Cmd) {}

// endGroup has nothing to end.
func endGroup(*exec.Cmd) {}
