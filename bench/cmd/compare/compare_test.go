package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
	"github.com/fernmesh/fernmesh/bench/internal/report"
)

func TestMain(m *testing.M) {
	contest.Main(sections()...)
	os.Exit(m.Run())
}

func TestACompareOfTwoWritesAllItsFiles(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(in("doc.md"), []byte("before\n<!-- compare:rpc:begin -->\n<!-- compare:rpc:end -->\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err := compare(t.Context(), []string{
		"-rounds", "1", "-duration", "10ms", "-only", "fernmesh,grpc", "-cells", "64x1,64x64", "-seed", "7",
		"-json", in("out.json"), "-svg", in("out.svg"), "-md", in("doc.md"), "-profile", in("profiles"),
	}, &out, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"client", "server"} {
		name := filepath.Join("profiles", "round1-64x64-rpc-fernmesh-"+role+".pprof")
		if f, err := os.Stat(in(name)); err != nil || f.Size() == 0 {
			t.Errorf("the profile of the %s: %v", role, err)
		}
	}
	var d report.Document
	if b, err := os.ReadFile(in("out.json")); err != nil || json.Unmarshal(b, &d) != nil {
		t.Fatalf("%v", err)
	}
	if trials := d.Sections[0].Raw.([]any); len(d.Sections) != 1 || len(trials) != 4 || d.Seed != 7 || d.Modules["google.golang.org/grpc"] == "unknown" {
		t.Errorf("%d trials in %+v", len(trials), d)
	}
	if svg, err := os.ReadFile(in("out.svg")); err != nil || !bytes.HasPrefix(svg, []byte("<svg ")) {
		t.Errorf("%.80s, %v", svg, err)
	}
	doc, err := os.ReadFile(in("doc.md"))
	if err != nil || !strings.HasPrefix(string(doc), "before\n") || !strings.HasSuffix(string(doc), "after\n") {
		t.Errorf("%s, %v", doc, err)
	}
	for _, want := range []string{"fernmesh, 64 B, 64", "gRPC = 1.0"} {
		if !strings.Contains(out.String(), want) || !strings.Contains(string(doc), want) {
			t.Errorf("no %q in\n%s\n%s", want, out.String(), doc)
		}
	}
}

func TestWhatNothingHasIsRefused(t *testing.T) {
	for args, want := range map[string]string{
		"-only gprc":                  `no contestant "gprc" is known; choose from fernmesh`,
		"-sections rcp":               `no section "rcp" is known; choose from rpc`,
		"-rounds 0":                   "above 0",
		"extra":                       `no argument "extra" is known`,
		"-cells 3x1":                  `no cell "3x1" is known; choose from 64x1`,
		"-only tls-echo -cells 64x64": "nothing was asked for that could be measured",
		"-duration soon":              "invalid value",
	} {
		err := compare(t.Context(), strings.Fields(args), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
}
