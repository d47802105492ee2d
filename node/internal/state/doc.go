// Package state keeps the small files of a node's state: which peers it knows,
// which relays it learned. Whoever reads one finds what was there before a write
// or what was written, never half of it, also after the process was killed or
// the power was cut.
//
// A file that cannot be used never stops a node: it is kept aside under its name
// with ".bad" after it, and the error, a [*Trouble], names it.
package state
