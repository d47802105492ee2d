package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/fernmesh/fernmesh/bench/internal/report"
)

// compare runs all that was asked for, prints its tables and writes its files.
func compare(ctx context.Context, args []string, out, progress io.Writer) error {
	s, err := parse(args, progress)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	s.Progress = func(format string, args ...any) { fmt.Fprintf(progress, format+"\n", args...) }
	if s.Profile != "" {
		if err := os.MkdirAll(s.Profile, 0o755); err != nil {
			return err
		}
	}
	d, err := measure(ctx, s, out)
	if err != nil {
		return err
	}
	if err := s.write(d); err != nil {
		return err
	}
	return failures(d)
}

func measure(ctx context.Context, s settings, out io.Writer) (report.Document, error) {
	chosen := s.chosen()
	d := report.Document{
		Begun: time.Now().UTC().Truncate(time.Second), Machine: report.ThisMachine(),
		Rounds: s.Rounds, Duration: s.Duration.String(), Seed: s.Seed, Modules: report.Versions(modules(chosen)),
	}
	if _, err := fmt.Fprintf(out, "%s\n\n", d.Origin()); err != nil {
		return d, err
	}
	for _, section := range chosen {
		measured, err := section.Run(ctx, s.Options)
		if err != nil {
			return d, fmt.Errorf("%s: %w", section.Name, err)
		}
		if len(measured.Tables) == 0 && len(measured.Failed) == 0 {
			continue // none of its cells was asked for
		}
		d.Sections = append(d.Sections, measured)
		if err := report.Markdown(out, measured); err != nil {
			return d, err
		}
	}
	if len(d.Sections) == 0 {
		return d, errors.New("nothing was asked for that could be measured: no cell or contestant fits; see -help")
	}
	return d, nil
}

// write makes the files that were asked for.
func (s settings) write(d report.Document) error {
	var errs []error
	if s.json != "" {
		errs = append(errs, toFile(s.json, func(w io.Writer) error { return report.JSON(w, d) }))
	}
	if s.svg != "" {
		errs = append(errs, toFile(s.svg, func(w io.Writer) error { return report.SVG(w, d.Charts()) }))
	}
	if s.markdown != "" {
		errs = append(errs, intoDocument(s.markdown, d))
	}
	return errors.Join(errs...)
}

func toFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// intoDocument replaces the tables of the sections that were measured and
// leaves everything else as it is.
func intoDocument(path string, d report.Document) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text := string(old)
	for _, s := range d.Sections {
		if text, err = report.Replace(text, s, d.Origin()); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// failures is an error if anything could not be measured.
func failures(d report.Document) error {
	n := 0
	for _, s := range d.Sections {
		n += len(s.Failed)
	}
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%d measurements failed, see above; repeat one alone with -only and -cells", n)
}
