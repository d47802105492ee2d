package node

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fernmesh/fernmesh/commands"
)

func TestS4_8_EveryNodeAnswersTheBuiltIns(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		m.start("c")
		handle(t, b, "lights.kitchen.set", answer(nil))
		ask := func(path string, opts ...CallOption) any {
			t.Helper()
			reply, err := a.Call(t.Context(), "b", path, opts...)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			v, err := reply.Value()
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		want := map[string]any{"args": []any{int64(1), "two", nil}, "kwargs": map[string]any{"k": "v"}}
		if diff := cmp.Diff(want, ask("__echo__", Args(1, "two", nil), Kwargs(map[string]any{"k": "v"}))); diff != "" {
			t.Errorf("__echo__:\n%s", diff)
		}
		list := ask("__list_commands__").([]any)
		wantList := []any{"__describe__", "__echo__", "__health__", "__info__", "__list_commands__", "__peers__", "__publish__", "__stats__", "__subscribe__", "lights.kitchen.set"}
		if diff := cmp.Diff(wantList, list); diff != "" {
			t.Errorf("__list_commands__:\n%s", diff)
		}
		kinds := map[string]string{}
		for _, p := range ask("__peers__").([]any) {
			peer := p.(map[string]any)
			kinds[peer["name"].(string)] = peer["paths"].([]any)[0].(map[string]any)["kind"].(string)
		}
		if diff := cmp.Diff(map[string]string{"a": "lan", "c": "lan"}, kinds); diff != "" {
			t.Errorf("__peers__:\n%s", diff)
		}
		if info := ask("__info__").(map[string]any); info["name"] != "b" || info["key"] != b.Identity().String() {
			t.Errorf("__info__: %v", info)
		}
		if health := ask("__health__").(map[string]any); health["status"] != "ok" {
			t.Errorf("__health__: %v", health)
		}
		if stats := ask("__stats__").(map[string]any); stats["served"].(int64) < 5 {
			t.Errorf("__stats__: %v", stats)
		}
		if d := ask("__describe__", Args("__echo__")).(map[string]any); d["path"] != "__echo__" {
			t.Errorf("__describe__: %v", d)
		}
		_, err := a.Call(t.Context(), "b", "__describe__", Args("nothing"))
		if e := failure(t, err); e.Code != commands.NotFound || e.Executed != commands.ExecutedNo {
			t.Errorf("__describe__ of nothing: %v", e)
		}
	})
}

func TestS4_8_BuiltInsAreReserved(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		if err := b.Commands().Handle("__echo__", answer("mine"), commands.Replace()); err == nil {
			t.Error("a built-in was replaced without force")
		}
		if !slices.Contains(b.Commands().List(""), "__echo__") {
			t.Error("the refused replacement took the built-in away")
		}
		handle(t, b, "__echo__", answer("mine"), commands.Replace(), commands.Force())
		wantValue(t, a, "b", "__echo__", "mine")
	})
}
