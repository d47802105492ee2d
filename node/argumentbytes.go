package node

import "github.com/fernmesh/fernmesh/commands"

// argumentBytes is how large arguments become, as far as their bytes alone tell.
func argumentBytes(args []any) (n int) {
	for _, arg := range args {
		switch v := arg.(type) {
		case commands.Raw:
			n += len(v)
		case []byte:
			n += len(v)
		}
	}
	return n
}
