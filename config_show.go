package main

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"hullbeam/store"
)

func configCommand(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the effective configuration, secrets masked",
		Long: `Print the configuration as serve would use it, of the file, the environment and
the flags, with secrets masked. It fails, with file, key and range, when serve
would refuse to start.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, _ := cmd.Flags().GetString("config")
			cfg, warnings, err := LoadConfig(path, os.Environ(), cmd.Flags())
			if err != nil {
				return err
			}
			for _, w := range warnings {
				fmt.Fprintln(std.err, "hullbeam: warning:", w)
			}
			text, err := cfg.masked()
			if err != nil {
				return err
			}
			_, err = std.out.Write(text)
			return err
		},
	}
	addConfigFlags(cmd.Flags())
	return cmd
}

// mask stands for a secret that is set.
const mask = "********"

// masked is the configuration as YAML without its secrets.
func (c Config) masked() ([]byte, error) {
	c.Secret = masks(c.Secret)
	c.AdminKey = masks(c.AdminKey)
	c.OperatorKeys = masks(c.OperatorKeys)
	c.RedisURL = store.MaskRedisURL(c.RedisURL)
	c.Tracing = c.Tracing.masked()
	connectors := make([]Connector, len(c.Connectors))
	for i, connector := range c.Connectors {
		connectors[i] = connector.masked()
	}
	c.Connectors = connectors
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range configFields(reflect.TypeFor[Config](), "") {
		value := reflect.ValueOf(c).FieldByIndex(f.index).Interface()
		if d, ok := value.(time.Duration); ok {
			value = shortDuration(d)
		}
		if f.key == "connectors" {
			value = connectorMaps(c.Connectors)
		}
		if err := put(root, strings.Split(f.key, "."), value); err != nil {
			return nil, err
		}
	}
	return yaml.Marshal(root)
}

func masks(secrets []string) []string {
	masked := make([]string, len(secrets))
	for i := range secrets {
		masked[i] = mask
	}
	return masked
}

func (c Connector) masked() Connector {
	if c.Secret != "" {
		c.Secret = mask
	}
	private := map[string]any{}
	for name, value := range c.PrivateSettings {
		if name == "identity_secret" {
			value = mask
		}
		private[name] = value
	}
	c.PrivateSettings = private
	return c
}

func connectorMaps(connectors []Connector) []map[string]any {
	list := make([]map[string]any, len(connectors))
	for i, c := range connectors {
		list[i] = map[string]any{
			"id": c.ID, "organization": c.Organization, "secret": c.Secret,
			"settings": orEmpty(c.Settings), "private_settings": c.PrivateSettings,
		}
	}
	return list
}

// put sets the value under path, making the mappings that lead there.
func put(node *yaml.Node, path []string, value any) error {
	if len(path) > 1 {
		return put(mapping(node, path[0]), path[1:], value)
	}
	v := &yaml.Node{}
	if err := v.Encode(value); err != nil {
		return err
	}
	node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: path[0]}, v)
	return nil
}

func mapping(node *yaml.Node, name string) *yaml.Node {
	for i := 0; i < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			return node.Content[i+1]
		}
	}
	m := &yaml.Node{Kind: yaml.MappingNode}
	node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, m)
	return m
}
