package hull

import (
	"encoding/json"
	"slices"
)

// Setting is one of a connector's settings that mean something to Hullbeam.
type Setting struct {
	Name    string
	Private bool // it is among private_settings, which pages never see

	fits func(value []byte) bool // whether the value is of a type that counts
}

// identitySecret is the setting with the keys of identity tokens and user hashes.
const identitySecret = "identity_secret"

// SettingList are all settings that are read. The manifest that is given to Hull
// offers the same ones.
var SettingList = []Setting{
	{"script", false, isText},
	{"script_enabled", true, isBool},
	{"whitelisted_domains", true, isList},
	{"synchronized_segments", true, isFilter},
	{"public_traits", true, isList},
	{"public_traits_unsigned", true, isList},
	{"public_segments", true, isList},
	{"public_segments_unsigned", true, isList},
	{"public_account_segments", true, isList},
	{"public_events", true, isList},
	{"identity_verification", true, isVerification},
	{identitySecret, true, isSecret},
	{"track_page_views", true, isBool},
}

// readSettings returns the raw values of those settings of an object that are listed.
func readSettings(data []byte, private bool) map[string][]byte {
	values := readObject(data)
	for name := range values {
		listed := slices.ContainsFunc(SettingList, func(s Setting) bool { return s.Private == private && s.Name == name })
		if !listed {
			delete(values, name)
		}
	}
	return values
}

// WithoutSecrets are the raw values of those private settings that mean something to
// Hullbeam, but for secrets.
func WithoutSecrets(privateSettings []byte) map[string]json.RawMessage {
	shown := map[string]json.RawMessage{}
	for name, value := range readSettings(privateSettings, true) {
		if name != identitySecret {
			shown[name] = value
		}
	}
	return shown
}

// What a cleared field of a form may leave, null, counts as absent where it makes no
// difference.

func isNull(value []byte) bool { return string(value) == "null" }

func isText(value []byte) bool { return isNull(value) || kindOf(value) == '"' }

func isBool(value []byte) bool {
	return isNull(value) || string(value) == "true" || string(value) == "false"
}

func isList(value []byte) bool {
	_, ok := texts(value)
	return ok || isNull(value)
}

func isFilter(value []byte) bool {
	_, ok := texts(value)
	return ok
}

func isVerification(value []byte) bool {
	return slices.Contains([]string{VerifyPossession, VerifySigned, VerifyOff}, textOrNone(value))
}

func isSecret(value []byte) bool {
	list, ok := texts(value)
	return isText(value) || ok && len(list) <= 2 && !slices.Contains(list, "")
}
