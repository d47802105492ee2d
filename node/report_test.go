package node

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernmesh/fernmesh/crypto"
)

func TestS3_18_StatisticsAsJSONOnDemand(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		handle(t, b, "lights.set", answer("yes"))
		wantValue(t, a, "b", "lights.set", "yes")
		synctest.Wait()
		text, err := b.StatsJSON()
		if err != nil {
			t.Fatal(err)
		}
		type messages map[string]uint64
		type recently map[string]float64
		var got struct {
			Node     string
			Time     time.Time
			Requests uint64
			Results  map[string]uint64
			ByCode   map[string]uint64 `json:"results_by_code"`
			Unknown  *uint64           `json:"unknown_answers"`
			Peers    map[string]struct {
				Links   int
				In, Out messages
				Unknown *uint64 `json:"unknown_answers"`
			}
			Commands map[string]struct {
				Calls  int
				Recent recently
			}
			Recent  recently
			Periods map[string]struct {
				Seconds  float64
				Requests uint64
				Results  map[string]uint64
			}
		}
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		peer := got.Peers["a"]
		kinds := []string{"answers", "bye", "bye_ack", "bytes", "chunks", "hello", "hello_ack", "ping", "pong", "requests"}
		if diff := cmp.Diff(kinds, slices.Sorted(maps.Keys(peer.In))); diff != "" {
			t.Errorf("kinds:\n%s", diff)
		}
		if peer.Links != 1 || peer.In["requests"] != 1 || peer.Out["answers"] != 1 || peer.Unknown == nil || got.Unknown == nil {
			t.Errorf("peer: %+v", peer)
		}
		if got.Node != "b" || !got.Time.Equal(time.Now()) || got.Requests != 1 || got.Results["ok"] != 1 || got.ByCode["OK"] != 1 {
			t.Errorf("node: %+v", got)
		}
		if c := got.Commands["lights.set"]; c.Calls != 1 || c.Recent["items"] != 1 || len(c.Recent) != 5 || got.Recent["items"] != 1 {
			t.Errorf("commands: %+v, all %+v", got.Commands, got.Recent)
		}
		if p := got.Periods; len(p) != 3 || p["1m"].Requests != 1 || p["5m"].Results["ok"] != 1 || p["15m"].Requests != 1 {
			t.Errorf("periods: %+v", got.Periods)
		}
		var keys map[string]any
		if err := json.Unmarshal(text, &keys); err != nil {
			t.Fatal(err)
		}
		answered, err := Invoke[map[string]any](t.Context(), a, "b", "__stats__", nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(slices.Sorted(maps.Keys(keys)), slices.Sorted(maps.Keys(answered))); diff != "" {
			t.Errorf("__stats__ has other keys:\n%s", diff)
		}
	})
}

func TestS3_18_AReportFromTimeToTime(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		var mu sync.Mutex
		var at []time.Duration
		start := time.Now()
		n := m.start("a", func(c *Config) {
			c.StatsEvery = 10 * time.Second
			c.OnStats = func(report []byte) {
				mu.Lock()
				defer mu.Unlock()
				at = append(at, time.Since(start).Round(time.Second))
				var got struct{ Node string }
				if err := json.Unmarshal(report, &got); err != nil || got.Node != "a" {
					t.Errorf("%v in %s", err, report)
				}
			}
		})
		time.Sleep(35*time.Second + time.Millisecond)
		shutdown(t, n)
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if diff := cmp.Diff([]time.Duration{10 * time.Second, 20 * time.Second, 30 * time.Second}, at); diff != "" {
			t.Error(diff)
		}
	})
}

func TestS3_18_ReportsNeedAUsablePeriod(t *testing.T) {
	for _, every := range []time.Duration{-1, time.Millisecond} {
		_, err := New(Config{Name: "a", Network: "test", Keys: crypto.Ring(crypto.GenerateKey()), StatsEvery: every})
		var wrong *ConfigError
		if !errors.As(err, &wrong) || wrong.Field != "StatsEvery" || wrong.Hint == "" {
			t.Errorf("%v: %v", every, err)
		}
	}
}
