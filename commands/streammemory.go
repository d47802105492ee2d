package commands

// defaultStreamMemory is what a new tree allows; see SetStreamMemory.
const defaultStreamMemory = 256 << 20

// SetStreamMemory bounds the memory of streamed values above 64 KiB that are
// arriving for handlers of this tree, in bytes over all of them (256 MiB). A
// value that would take more ends its call with RESOURCE_EXHAUSTED.
func (t *Tree) SetStreamMemory(bytes int64) { t.memory.Limit(bytes) }

// StreamMemoryRefused counts values that were refused for that bound.
func (t *Tree) StreamMemoryRefused() uint64 { return t.memory.Refused() }
