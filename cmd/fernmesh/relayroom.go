package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/relay"
)

func (m *Main) relayRoomCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "relay-room [flags] RELAY",
		Short: "Print the id of this network's room at a relay",
		Long: `Relay-room prints the id by which a relay knows this network: for the operator
of a relay that serves chosen rooms alone. It differs from relay to relay, and
tells nothing of the network's name or key. A key ring has one room for each
usable key; that of the active key comes first.

RELAY is an address as the relay prints it. With its pin (# and 64 hex digits)
no connection is made; without, the relay is asked for its id.`,
		Args: between(1, 1),
	}
	flags := addFlags(cmd, []*option{optionConfig, optionNetwork, optionKeyFile, optionTimeout, optionOutput})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := m.settings(flags)
		if err != nil {
			return err
		}
		var one settings
		if err := setRelays(&one, args); err != nil {
			return relayArgumentFault(err)
		}
		if len(one.relays) > 1 {
			return faultf(exitUsage, "name one relay", "there are too many relays")
		}
		return m.relayRoom(cmd.Context(), &s, one.relays[0])
	}
	return cmd
}

func relayArgumentFault(err error) error {
	if hint := hintOf(err); hint != "" {
		return faultf(exitConfig, hint, "RELAY %v", err)
	}
	return faultf(exitUsage, "use the line that the relay printed at its start", "RELAY %v", err)
}

func (m *Main) relayRoom(ctx context.Context, s *settings, text string) error {
	ring, err := s.keys()
	if err != nil {
		return err
	}
	a, err := relay.ParseAddress(text) // checked by setRelays
	if err != nil {
		return err
	}
	if !a.Pinned {
		if a.Pin, err = m.askRelay(ctx, a, crypto.Derive(ring.Active(), s.network), s.timeout); err != nil {
			return err
		}
		a.Pinned = true
	}
	rooms := []any{}
	for _, k := range ring.Usable() {
		id := crypto.Derive(k, s.network).Room(a.Pin).ID()
		rooms = append(rooms, hex.EncodeToString(id[:]))
	}
	if s.json {
		return m.printJSON(map[string]any{"relay": a.String(), "rooms": rooms})
	}
	for _, room := range rooms {
		if _, err := fmt.Fprintln(m.out, room); err != nil {
			return err
		}
	}
	return nil
}

// askRelay joins the network's room for a moment, by which the relay proves its id.
func (m *Main) askRelay(ctx context.Context, a relay.Address, schedule *crypto.Schedule, limit time.Duration) (relay.ID, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var said relay.ID
	client, err := relay.Connect(ctx, relay.Config{
		Address: a, Handler: deaf{},
		Room: func(id relay.ID) *crypto.Room {
			said = id
			return schedule.Room(id)
		},
	})
	if err == nil {
		client.Close(nil)
		return client.RelayID(), nil
	}
	var refused *relay.RefusedError
	if errors.As(err, &refused) && refused.Code == relay.RefusedNotAdmitted {
		m.notef("the relay does not admit this room yet, so it has not proved its id, which is %v", said)
		return said, nil
	}
	return said, relayFault(a, err)
}

// relayFault explains why a relay was not joined.
func relayFault(a relay.Address, err error) error {
	var (
		refused *relay.RefusedError
		upgrade *relay.UpgradeError
	)
	f := &fault{code: exitUnreachable, text: fmt.Sprintf("cannot reach the relay %s: %v", a, err), cause: err}
	f.hint = "see that the address is the one that the relay printed at its start, and that the relay runs"
	switch {
	case errors.Is(err, context.Canceled):
		f.code, f.text, f.hint = exitFailure, "interrupted", "nothing was changed"
	case errors.As(err, &refused):
		f.code, f.text = exitRefused, fmt.Sprintf("the relay %s turned this program away: %v", a, refused.Code)
		f.hint = "ask the operator of the relay"
		if refused.RetryAfter > 0 {
			f.hint = fmt.Sprintf("try again after %v", refused.RetryAfter)
		}
	case errors.As(err, &upgrade), errors.Is(err, relay.ErrProof), errors.Is(err, relay.ErrProtocol), errors.Is(err, relay.ErrNotTLS):
		f.code, f.hint = exitFailure, "something else than a relay answers there; compare the address with what the relay printed"
	}
	return f
}

// deaf is for a client that wants nothing of what happens in the room.
type deaf struct{}

func (deaf) Up(relay.Addr)             {}
func (deaf) Down(relay.Addr)           {}
func (deaf) Casted(relay.Addr, []byte) {}
func (deaf) Draining(time.Duration)    {}

func (deaf) Accept(ch *relay.Channel) { _ = ch.Close() }
