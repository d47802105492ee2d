package fernotel

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

func TestDurationsAreMeasured(t *testing.T) {
	l := newLab(t)
	where := near(t)
	reader := sdkmetric.NewManualReader()
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	t.Cleanup(func() { _ = meters.Shutdown(context.Background()) }) // nothing is left to export
	a := l.start("a", where, WithTracerProvider(l.tracers()), WithMeterProvider(meters))
	l.start("b", where, WithTracerProvider(l.tracers()), WithMeterProvider(meters))
	for range 3 {
		if _, err := a.Call(t.Context(), "b", "__echo__"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.Call(t.Context(), "b", "absent"); err == nil {
		t.Fatal("a command that is absent ran")
	}
	var got metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &got); err != nil {
		t.Fatal(err)
	}
	counts := map[string]uint64{}
	for _, scope := range got.ScopeMetrics {
		for _, m := range scope.Metrics {
			for _, p := range m.Data.(metricdata.Histogram[float64]).DataPoints {
				code, _ := p.Attributes.Value(attribute.Key("rpc.response.status_code"))
				counts[m.Name+" "+code.AsString()] += p.Count
			}
		}
	}
	want := map[string]uint64{"rpc.client.call.duration OK": 3, "rpc.client.call.duration NOT_FOUND": 1, "rpc.server.call.duration OK": 3}
	for name, n := range want {
		if counts[name] != n {
			t.Errorf("%s: %d, want %d", name, counts[name], n)
		}
	}
	if len(counts) != len(want) {
		t.Errorf("%v", counts)
	}
}
