// Package contest runs contestants against each other, every part of a
// contestant in a process of its own, and measures what each part uses.
//
// A program that holds contests calls [Main] first: it starts itself again for
// every part, tells the new process by its environment which part it is, and
// speaks with it in lines of JSON over standard input and output. A part ends
// when its standard input ends, so none outlives the program that started it.
package contest
