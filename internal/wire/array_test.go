package wire

import (
	"errors"
	"testing"
)

func TestArrayIsReadInOrder(t *testing.T) {
	a := OpenArray("advert", unhex("98 07 a161 c40102 c0 c40103 92 01 02 81 a161 c0 cd03e8"), Control)
	inner := func() *Array { return a.Array("ips", 8) }
	if a.Len() != 8 || a.Uint("n", 7) != 7 || a.String("s") != "a" || string(a.Bytes("b")) != "\x02" ||
		a.BytesOrNil("none") != nil || string(a.BytesOrNil("some")) != "\x03" {
		t.Errorf("read wrongly, %v", a.Err())
	}
	ips := inner()
	if ips.Len() != 2 || ips.Uint("first", 9) != 1 || ips.Uint("second", 9) != 2 || ips.Err() != nil {
		t.Errorf("inner array read wrongly, %v", ips.Err())
	}
	if raw := a.Raw("map"); string(raw) != "\x81\xa1a\xc0" {
		t.Errorf("raw element is %x", raw)
	}
	if d := a.Milliseconds("age"); d.Seconds() != 1 || a.Len() != 0 || a.Err() != nil {
		t.Errorf("last element %v, %v", d, a.Err())
	}
}

func TestArrayKeepsItsFirstFailure(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		read func(a *Array)
		want string
	}{
		"missing":          {"91 01", func(a *Array) { a.Raw("x"); a.Uint("y", 1); a.Bytes("z") }, "wire: malformed advert: y is missing"},
		"another type":     {"92 a161 01", func(a *Array) { a.Uint("x", 1); a.String("y") }, "wire: malformed advert: x is of another type"},
		"too large":        {"91 08", func(a *Array) { a.Uint("x", 7) }, "wire: malformed advert: x is too large"},
		"negative":         {"91 ff", func(a *Array) { a.Uint("x", 7) }, "wire: malformed advert: x is of another type"},
		"no array":         {"80", func(a *Array) { a.Raw("x") }, "wire: malformed advert: not an array"},
		"inner no array":   {"92 01 90", func(a *Array) { a.Array("x", 8); a.Array("y", 8) }, "wire: malformed advert: not an array"},
		"inner too long":   {"91 93 01 02 03", func(a *Array) { a.Array("x", 2) }, "wire: malformed advert: x is too long"},
		"inner of missing": {"90", func(a *Array) { a.Array("x", 2).Uint("y", 1) }, "wire: malformed advert: x is missing"},
		"neither nor nil":  {"91 a0", func(a *Array) { a.BytesOrNil("x") }, "wire: malformed advert: x is of another type"},
	} {
		a := OpenArray("advert", unhex(c.in), Control)
		c.read(a)
		if err := a.Err(); err == nil || err.Error() != c.want || a.Len() != 0 {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	var guard *GuardError
	a := OpenArray("advert", unhex("91"), Control)
	if a.Raw("x"); !errors.As(a.Err(), &guard) {
		t.Errorf("unguarded: %v", a.Err())
	}
}
