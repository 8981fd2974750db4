package hull

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
)

// scriptHashLength is in bytes.
const scriptHashLength = 8

func (s *Settings) setScript(script string) {
	if script == "" {
		return
	}
	sum := sha256.Sum256([]byte(script))
	s.script, s.scriptHash = script, hex.EncodeToString(sum[:scriptHashLength])
	s.scriptURL = fmt.Sprintf("/api/v1/connectors/%s/script.%s.js", url.PathEscape(s.connectorID), s.scriptHash)
}

// Script is the operator's script that pages run after each update, and the
// hash that names it. Both are empty when there is none or it is switched off.
func (s *Settings) Script() (text, hash string) { return s.script, s.scriptHash }

// ScriptURL is the path from which pages load the script, or empty.
func (s *Settings) ScriptURL() string { return s.scriptURL }

// ScriptFile is what is at ScriptURL, or nil: JavaScript that makes a function
// of the script, under a name that the page's snippet knows it by. No data is
// pasted into it, and nothing is evaluated.
func (s *Settings) ScriptFile() []byte {
	if s.script == "" {
		return nil
	}
	name, err := json.Marshal(s.connectorID + "/" + s.scriptHash)
	if err != nil {
		panic(err) // a string can always be marshalled
	}
	// The script may end in a comment, and so the bracket needs a line of its own.
	return fmt.Appendf(nil, "(window.hullBrowserScripts ||= {})[%s] = "+
		"function (user, segments, account, account_segments, events, changes) {\n%s\n};\n", name, s.script)
}
