package main

import (
	"slices"
	"strings"
)

// Bounds of what a schema is shown as. Schemas come from other nodes.
const (
	maxTypeDepth   = 3   // objects and lists within each other
	maxTypeMembers = 12  // of an object, or alternatives
	maxTypeText    = 400 // bytes of one type
	maxSignature   = 2000
)

// signature is how a command is called, on one line:
//
//	math.add(a: integer, b?: integer) → integer
//
// A command whose arguments are not described takes "…".
func signature(path string, d map[string]any) string {
	args := "…"
	if input, ok := d["input"].(map[string]any); ok {
		order, _ := d["arguments"].([]any)
		args = members(input, order, maxTypeDepth)
	}
	text := path + "(" + args + ")"
	if output, ok := d["output"].(map[string]any); ok {
		text += " → " + typeText(output)
	}
	return escapeLine(shortened(text, maxSignature))
}

// typeText names the type that a JSON Schema describes, in short: "integer",
// "[text]", "{x: integer, y?: text}", "text | null".
func typeText(schema any) string {
	return shortened(typeAt(schema, maxTypeDepth), maxTypeText)
}

func typeAt(schema any, depth int) string {
	s, ok := schema.(map[string]any)
	switch {
	case !ok || len(s) == 0:
		return "any"
	case depth == 0:
		return "…"
	}
	if ref, ok := s["$ref"].(string); ok {
		return ref[strings.LastIndexByte(ref, '/')+1:]
	}
	if list, ok := s["enum"].([]any); ok {
		return alternatives(list, compactJSON)
	}
	for _, key := range []string{"anyOf", "oneOf"} {
		if list, ok := s[key].([]any); ok {
			return alternatives(list, func(v any) string { return typeAt(v, depth-1) })
		}
	}
	switch t := s["type"].(type) {
	case string:
		return oneType(t, s, depth)
	case []any:
		t = slices.Clone(t)
		if len(t) > 1 && t[0] == "null" { // what it is comes before what it may lack
			t = append(t[1:], "null")
		}
		return alternatives(t, func(v any) string { name, _ := v.(string); return oneType(name, s, depth) })
	}
	return "any"
}

func alternatives(list []any, show func(any) string) string {
	var parts []string
	for i, v := range list {
		if i == maxTypeMembers {
			parts = append(parts, "…")
			break
		}
		parts = append(parts, show(v))
	}
	return strings.Join(parts, " | ")
}

// oneType names one of the types of a schema.
func oneType(name string, s map[string]any, depth int) string {
	switch name {
	case "string":
		if s["contentEncoding"] == "base64" {
			return "bytes"
		}
		if s["format"] == "date-time" {
			return "time"
		}
		return "text"
	case "array":
		return "[" + typeAt(s["items"], depth-1) + "]"
	case "object":
		if props, _ := s["properties"].(map[string]any); len(props) > 0 {
			return "{" + members(s, nil, depth-1) + "}"
		}
		if of, ok := s["additionalProperties"].(map[string]any); ok {
			return "{text: " + typeAt(of, depth-1) + "}"
		}
	}
	return name
}

// members lists the properties of an object schema: "a: integer, b?: text". One
// that takes others besides ends with "…".
func members(s map[string]any, order []any, depth int) string {
	if depth <= 0 {
		return "…"
	}
	props, _ := s["properties"].(map[string]any)
	required, _ := s["required"].([]any)
	var parts []string
	for i, name := range propertyOrder(order, props) {
		if i == maxTypeMembers {
			return strings.Join(append(parts, "…"), ", ")
		}
		mark := "?"
		if slices.Contains(required, any(name)) {
			mark = ""
		}
		parts = append(parts, name+mark+": "+typeAt(props[name], depth))
	}
	if s["additionalProperties"] != false {
		parts = append(parts, "…")
	}
	return strings.Join(parts, ", ")
}
