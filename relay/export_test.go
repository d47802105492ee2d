package relay

// The two halves of the upgrade, for tests of what no station sees.
var (
	ReadUpgrade   = readUpgrade
	AppendUpgrade = appendUpgrade
)
