// Package ledger is the callee's memory that makes a command run at most once
// for one call id (the protocol, section 5).
//
// # Start here
//
// A node has one [Ledger]. Each secure link gets a [Link] from [Ledger.Attach],
// and each CALL that arrives is taken through [Link.Begin], which decides in
// one step under one lock whether the call is new and begins, repeats a call
// that still runs, repeats one whose outcome is kept, or must be refused.
package ledger
