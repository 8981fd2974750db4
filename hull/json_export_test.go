package hull

// Both are for the tests that compare them with encoding/json.
var (
	CheckJSON = checkJSON
	ReadJSON  = readJSON
)
