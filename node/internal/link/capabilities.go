package link

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

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
	if err == nil {
		err = c.check()
	}
	if err != nil {
		return Capabilities{}, err
	}
	c.Held, c.Up = age(held), age(up)
	return c, nil
}

// Bounds of the capabilities, which a node keeps of each of its peers.
const (
	maxVersion   = 32 // bytes of the version of a service
	maxText      = 64 // bytes of product and version
	maxListed    = 32 // services, and limits
	maxLimitName = 32 // bytes
)

// check checks what is kept and shown to people.
func (c Capabilities) check() error {
	err := firstError(checkText("product", c.Product, maxText), checkText("version", c.Version, maxText), CheckVersions(c.Services))
	if err == nil && len(c.Limits) > maxListed {
		err = fmt.Errorf("more than %d limits", maxListed)
	}
	for name := range c.Limits {
		err = firstError(err, checkText("the name of a limit", name, maxLimitName))
	}
	return err
}

// CheckVersions checks the versions of services, by the names of the services.
func CheckVersions(versions map[string]string) error {
	if len(versions) > maxListed {
		return fmt.Errorf("more than %d services with versions", maxListed)
	}
	for name, version := range versions {
		if err := firstError(wire.CheckOffer("service", name), checkText("the version of "+strconv.Quote(name), version, maxVersion)); err != nil {
			return err
		}
	}
	return nil
}

// checkText checks a text that people will see.
func checkText(what, text string, most int) error {
	switch {
	case len(text) > most:
		return fmt.Errorf("%s has %d bytes, at most %d are allowed", what, len(text), most)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return fmt.Errorf("%s is not UTF-8 without control characters", what)
	}
	return nil
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
