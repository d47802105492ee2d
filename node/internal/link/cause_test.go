package link

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPanicOverAPeersBytesEndsOneLinkOnly(t *testing.T) {
	_, err := (&incoming{}).open([]byte("a cipher that is not there"))
	var e *Error
	if !errors.As(err, &e) || e.Cause != CausePanic {
		t.Errorf("got %v, want it contained", err)
	}
}

func TestEveryCauseHasAName(t *testing.T) {
	seen := make(map[string]bool)
	for c := Cause(1); c < causes; c++ {
		if c.String() == "" || seen[c.String()] {
			t.Errorf("cause %d is named %q", uint8(c), c)
		}
		seen[c.String()] = true
	}
	if got := Cause(200).String(); got != "cause 200" {
		t.Errorf("unknown cause is %q", got)
	}
}

func TestCountersByCause(t *testing.T) {
	var c Counters
	c.end(CauseToken)
	c.end(CauseToken)
	c.end(CauseSelf)
	if diff := cmp.Diff(map[string]uint64{"token": 2, "self": 1}, c.Snapshot()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if c.Ended(CauseToken) != 2 || c.Ended(200) != 0 {
		t.Errorf("%d and %d", c.Ended(CauseToken), c.Ended(200))
	}
	var nobody *Counters
	nobody.end(CauseToken)
}

func TestErrorTexts(t *testing.T) {
	inner := errors.New("inner")
	for _, c := range []struct {
		err  error
		want string
	}{
		{&Error{Cause: CauseLocal}, "link: local"},
		{&Error{CauseToken, inner}, "link: token: inner"},
		{&RefusedError{Refusal: Refusal{Code: 1}}, "link: refused an observer: busy"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if !errors.Is(&Error{CauseToken, inner}, inner) {
		t.Error("the inner error is not found")
	}
}
