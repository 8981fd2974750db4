package main

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// envName is the variable of a key: the predecessors' own for two of them.
func envName(key string) string {
	switch key {
	case "secret", "redis_url", "admin_key":
		return strings.ToUpper(key)
	}
	return "HULLBEAM_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

func flagName(key string) string { return strings.ReplaceAll(key, "_", "-") }

// configKeys are the keys of everything but connectors, in their order.
func configKeys() []string {
	var keys []string
	for _, f := range configFields(reflect.TypeFor[Config](), "") {
		if f.key != "connectors" {
			keys = append(keys, f.key)
		}
	}
	return keys
}

// configField is a field of Config or of one of its groups.
type configField struct {
	key   string // such as stream.heartbeat
	group reflect.Type
	name  string // of the field in its group
	index []int
}

func configFields(t reflect.Type, prefix string) []configField {
	var fields []configField
	for i := range t.NumField() {
		f := t.Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("mapstructure"), ",")
		switch {
		case name == "-" || !f.IsExported():
		case option == "squash":
			fields = append(fields, under(i, configFields(f.Type, prefix))...)
		case f.Type.Kind() == reflect.Struct:
			fields = append(fields, under(i, configFields(f.Type, prefix+name+"."))...)
		default:
			fields = append(fields, configField{prefix + name, t, f.Name, []int{i}})
		}
	}
	return fields
}

func under(i int, fields []configField) []configField {
	for j := range fields {
		fields[j].index = append([]int{i}, fields[j].index...)
	}
	return fields
}

// addConfigFlags adds --config and a flag for each key.
func addConfigFlags(flags *pflag.FlagSet) {
	flags.String("config", "", "configuration file (default config.yaml, when it is there)")
	defaults := reflect.ValueOf(DefaultConfig())
	for _, f := range configFields(reflect.TypeFor[Config](), "") {
		if f.key == "connectors" {
			continue
		}
		flags.String(flagName(f.key), "", fmt.Sprintf("%s, %s (default %s)", f.key, envName(f.key), show(defaults.FieldByIndex(f.index))))
		flags.Lookup(flagName(f.key)).DefValue = ""
	}
}

func show(v reflect.Value) string {
	switch value := v.Interface().(type) {
	case []string:
		return "[" + strings.Join(value, ", ") + "]"
	case string:
		return strconv.Quote(value)
	case time.Duration:
		return shortDuration(value)
	default:
		return fmt.Sprint(value)
	}
}

// shortDuration is 2h and not 2h0m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
