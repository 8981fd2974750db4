package docs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// description is an OpenAPI document, as far as its page shows it. What it refers to is
// found by name in Components.
type description struct {
	Info struct{ Title, Description string }
	Tags []struct{ Name, Description string }
	// By path, then by method, but for the parameters that all methods of a path have.
	Paths      ordered[ordered[yaml.Node]]
	Components struct {
		SecuritySchemes ordered[securityScheme] `yaml:"securitySchemes"`
		Parameters      map[string]parameter
		Headers         map[string]parameter
		Responses       map[string]response
		Schemas         ordered[schema]
	}
}

// ordered is a mapping in the order of its file.
type ordered[T any] []entry[T]

type entry[T any] struct {
	Name  string
	Value T
}

func (o *ordered[T]) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: not a mapping", node.Line)
	}
	for i := 0; i < len(node.Content); i += 2 {
		e := entry[T]{Name: node.Content[i].Value}
		if err := node.Content[i+1].Decode(&e.Value); err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
		*o = append(*o, e)
	}
	return nil
}

type securityScheme struct{ Type, In, Name, Scheme, Description string }

type operation struct {
	Tags        []string
	OperationID string `yaml:"operationId"`
	Summary     string
	Description string
	Security    []ordered[[]string]
	Parameters  []parameter
	RequestBody *response `yaml:"requestBody"`
	Responses   ordered[response]

	Method, Path string
}

// parameter is a header of an answer, too.
type parameter struct {
	Ref         string `yaml:"$ref"`
	Name, In    string
	Required    bool
	Description string
	Schema      schema
	Example     yaml.Node
}

// response is a body of a request, too.
type response struct {
	Ref         string `yaml:"$ref"`
	Description string
	Headers     ordered[parameter]
	Content     ordered[struct {
		Schema   schema
		Example  yaml.Node
		Examples ordered[struct{ Value yaml.Node }]
	}]
}

type schema struct {
	Ref         string `yaml:"$ref"`
	Type        oneOrMore
	Format      string
	Description string
	Pattern     string
	Enum        []any
	Const       any
	Default     any
	Minimum     *int
	Maximum     *int
	MinLength   *int `yaml:"minLength"`
	MaxLength   *int `yaml:"maxLength"`
	MaxItems    *int `yaml:"maxItems"`
	Properties  ordered[schema]
	Required    []string
	Items       *schema
	OneOf       []schema `yaml:"oneOf"`
	AllOf       []schema `yaml:"allOf"`
	Example     yaml.Node
	Examples    []yaml.Node
}

// oneOrMore is a text, or a list of some.
type oneOrMore []string

func (o *oneOrMore) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*o = oneOrMore{node.Value}
		return nil
	}
	return node.Decode((*[]string)(o))
}

// readOpenAPI reads a description, and puts in place of what it refers to but for schemas,
// which have parts of their own on the page.
func readOpenAPI(text []byte) (*description, []operation, error) {
	var d description
	if err := yaml.Unmarshal(text, &d); err != nil {
		return nil, nil, fmt.Errorf("reading openapi.yaml: %w", err)
	}
	var operations []operation
	for _, path := range d.Paths {
		var shared []parameter
		for _, item := range path.Value {
			if item.Name == "parameters" {
				if err := item.Value.Decode(&shared); err != nil {
					return nil, nil, fmt.Errorf("%s: %w", path.Name, err)
				}
				continue
			}
			o := operation{Method: strings.ToUpper(item.Name), Path: path.Name}
			if err := item.Value.Decode(&o); err != nil {
				return nil, nil, fmt.Errorf("%s %s: %w", o.Method, o.Path, err)
			}
			o.Parameters = append(append([]parameter{}, shared...), o.Parameters...)
			d.resolve(&o)
			operations = append(operations, o)
		}
	}
	return &d, operations, nil
}

// resolve puts in place what an operation refers to.
func (d *description) resolve(o *operation) {
	for i := range o.Parameters {
		if p, ok := d.Components.Parameters[referred(o.Parameters[i].Ref)]; ok {
			o.Parameters[i] = p
		}
	}
	for i := range o.Responses {
		r := &o.Responses[i].Value
		if shared, ok := d.Components.Responses[referred(r.Ref)]; ok {
			*r = shared
		}
		for j := range r.Headers {
			if h, ok := d.Components.Headers[referred(r.Headers[j].Value.Ref)]; ok {
				r.Headers[j].Value = h
			}
		}
	}
}

// referred is the name in a reference: the last part.
func referred(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

// exampleText is an example as it is sent: text as it is, else JSON in the order of the file.
func exampleText(node yaml.Node) (string, error) {
	if node.Kind == yaml.ScalarNode && node.Tag == "!!str" {
		return strings.TrimSpace(node.Value), nil
	}
	compact, err := toJSON(&node)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, compact, "", "  "); err != nil {
		return "", err
	}
	return b.String(), nil
}

// toJSON is YAML as JSON, with members in their order.
func toJSON(node *yaml.Node) ([]byte, error) {
	if node.Kind == yaml.ScalarNode {
		var value any
		if err := node.Decode(&value); err != nil {
			return nil, err
		}
		return marshal(value)
	}
	opening, closing := byte('['), byte(']')
	if node.Kind == yaml.MappingNode {
		opening, closing = '{', '}'
	}
	b := []byte{opening}
	for i, part := range node.Content {
		text, err := toJSON(part)
		if err != nil {
			return nil, err
		}
		switch {
		case i > 0 && node.Kind == yaml.MappingNode && i%2 == 1:
			b = append(b, ':')
		case i > 0:
			b = append(b, ',')
		}
		b = append(b, text...)
	}
	return append(b, closing), nil
}

// marshal leaves the signs of HTML as they are: the template escapes them.
func marshal(value any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return bytes.TrimSpace(b.Bytes()), err
}
