package main

import (
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/fernmesh/fernmesh/commands"
)

// addPrograms registers the commands of the config file. They may take the
// place of those that serve brings along.
func addPrograms(t *commands.Tree, programs []*program) error {
	for _, p := range programs {
		if err := p.prepare(); err != nil {
			return err
		}
		options := []commands.Option{commands.Doc(p.about), commands.Replace(), commands.Schemas(p.schemas())}
		if p.idempotent {
			options = append(options, commands.Idempotent())
		}
		if err := t.Handle(p.path, p.handle, options...); err != nil {
			return p.fault("", "choose a name that is not the beginning of another command's", "%v", err)
		}
	}
	return nil
}

// schemas are what callers learn of the program: its arguments, not where it is.
func (p *program) schemas() (input, output *jsonschema.Schema) {
	names := p.template.names()
	input = &jsonschema.Schema{Type: "object", Properties: map[string]*jsonschema.Schema{}, Required: names, PropertyOrder: names}
	for _, name := range names {
		input.Properties[name] = &jsonschema.Schema{Types: []string{"string", "number", "boolean"}}
	}
	if !p.stdin {
		input.AdditionalProperties = &jsonschema.Schema{Not: &jsonschema.Schema{}}
	}
	output = &jsonschema.Schema{}
	if p.output == "text" {
		output.Type = "string"
	}
	return input, output
}
