package main

import (
	"context"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/fernmesh/fernmesh/commands"
)

const describeCommandPath = "__describe__"

// addPrograms registers the commands of the config file. They may take the
// place of those that serve brings along.
func addPrograms(t *commands.Tree, programs []*program) error {
	if len(programs) == 0 {
		return nil
	}
	known := map[string]commands.Description{}
	for _, p := range programs {
		if err := p.prepare(); err != nil {
			return err
		}
		options := []commands.Option{commands.Doc(p.about), commands.Replace()}
		if p.idempotent {
			options = append(options, commands.Idempotent())
		}
		if err := t.Handle(p.path, p.handle, options...); err != nil {
			return p.fault("", "choose a name that is not the beginning of another command's", "%v", err)
		}
		known[p.path] = p.describe()
	}
	return describePrograms(t, known)
}

// describePrograms has the node describe programs with their schemas: the tree
// knows schemas of Go types alone.
func describePrograms(t *commands.Tree, known map[string]commands.Description) error {
	return t.Handle(describeCommandPath, func(_ context.Context, c *commands.Call) (any, error) {
		path, err := commands.Arg[string](c, 0)
		if err != nil {
			return nil, err
		}
		if d, ok := known[path]; ok {
			return d, nil
		}
		d, err := t.Describe(path)
		if err != nil {
			return nil, err
		}
		return d, nil
	}, commands.Doc("Returns the description of one command: documentation and schemas."), commands.Idempotent(), commands.Force())
}

// describe is what callers learn of the program: its arguments, not where it is.
func (p *program) describe() commands.Description {
	names := p.template.names()
	input := &jsonschema.Schema{Type: "object", Properties: map[string]*jsonschema.Schema{}, Required: names, PropertyOrder: names}
	for _, name := range names {
		input.Properties[name] = &jsonschema.Schema{Types: []string{"string", "number", "boolean"}}
	}
	if !p.stdin {
		input.AdditionalProperties = &jsonschema.Schema{Not: &jsonschema.Schema{}}
	}
	output := &jsonschema.Schema{}
	if p.output == "text" {
		output.Type = "string"
	}
	return commands.Description{Path: p.path, Doc: p.about, Idempotent: p.idempotent, Arguments: names, Input: input, Output: output}
}
