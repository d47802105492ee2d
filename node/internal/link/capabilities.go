package link

import (
	"fmt"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// Encode returns the capabilities as the msgpack map that HELLO carries. Fields
// with a zero value are left out.
func (c Capabilities) Encode() []byte {
	m := make(map[string]any)
	put := func(name string, value any, set bool) {
		if set {
			m[name] = value
		}
	}
	put("product", c.Product, c.Product != "")
	put("version", c.Version, c.Version != "")
	put("services", c.Services, len(c.Services) > 0)
	put("limits", c.Limits, len(c.Limits) > 0)
	put("held", c.Held.Milliseconds(), c.Held > 0)
	put("up", c.Up.Milliseconds(), c.Up > 0)
	put("observer", true, c.Observer)
	put("status", wire.AppendStatus(nil, c.Status), c.Status.Revision > 0)
	b, err := wire.Marshal(m)
	if err != nil {
		return []byte{0x80} // not reached: strings and numbers always encode
	}
	return b
}

// decodeCapabilities reads the map in HELLO. Keys it does not know are ignored;
// one that it knows must have its type.
func decodeCapabilities(b []byte) (Capabilities, error) {
	var m map[string]any
	if err := wire.Unmarshal(b, &m, wire.Control); err != nil {
		return Capabilities{}, err
	}
	var c Capabilities
	var held, up int64
	var status []byte
	err := firstError(
		read(m, "product", &c.Product), read(m, "version", &c.Version),
		read(m, "held", &held), read(m, "up", &up), read(m, "observer", &c.Observer),
		readMap(m, "services", &c.Services), readLimits(m, &c.Limits),
		read(m, "status", &status),
	)
	if err == nil && status != nil {
		c.Status, err = wire.ParseStatus(status)
	}
	if err != nil {
		return Capabilities{}, err
	}
	c.Held, c.Up = age(held), age(up)
	return c, nil
}

// age clamps a number of milliseconds from the wire. A node may be up for
// longer than wire.MaxDuration, and its age decides who keeps a name.
func age(ms int64) time.Duration {
	const most = 100 * 365 * 24 * time.Hour
	return time.Duration(min(max(ms, 0), most.Milliseconds())) * time.Millisecond
}

func read[T any](m map[string]any, name string, dst *T) error {
	v, ok := m[name]
	if !ok {
		return nil
	}
	if *dst, ok = v.(T); !ok {
		return fmt.Errorf("capability %q is of another type", name)
	}
	return nil
}

func readMap[T any](m map[string]any, name string, dst *map[string]T) error {
	var values map[string]any
	if err := read(m, name, &values); err != nil || values == nil {
		return err
	}
	*dst = make(map[string]T, len(values))
	for key := range values {
		var value T
		if err := read(values, key, &value); err != nil {
			return err
		}
		(*dst)[key] = value
	}
	return nil
}

func readLimits(m map[string]any, dst *map[string]uint64) error {
	var limits map[string]int64
	if err := readMap(m, "limits", &limits); err != nil || limits == nil {
		return err
	}
	*dst = make(map[string]uint64, len(limits))
	for name, n := range limits {
		(*dst)[name] = uint64(max(n, 0))
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
