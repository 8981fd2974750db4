package hull

// ExtractRequest is Hull's word that an extract is ready (docs/hull-protocol.md 6).
type ExtractRequest struct {
	URL      string // as it was sent: Client.Extract says whether it may be fetched
	Format   string // FormatJSON or FormatCSV
	Accounts bool   // it is of accounts, not of users
	ID       string // notification_id; "" when it has none

	// The organization's segments; nil: the request does not say.
	UsersSegments, AccountsSegments *SegmentList
}

// ParseExtractRequest reads the body of POST /batch, nested maxDepth deep at most; 0 is
// DefaultDepth. Its errors are ErrInvalidJSON and ErrInvalidExtract.
func ParseExtractRequest(body []byte, maxDepth int) (*ExtractRequest, error) {
	body, err := readJSON(body, orDefaultDepth(maxDepth))
	switch {
	case err != nil:
		return nil, ErrInvalidJSON.Because("Invalid JSON: " + err.Error())
	case kindOf(body) != '{':
		return nil, ErrInvalidExtract.Because("Payload is not an object")
	}
	r := &ExtractRequest{
		URL: textOrNone(member(body, "url")), Format: FormatJSON, ID: textOrNone(member(body, "notification_id")),
		UsersSegments:    firstSegmentList(body, "users_segments", "segments"),
		AccountsSegments: firstSegmentList(body, "accounts_segments", "account_segments"),
	}
	if format := member(body, "format"); !isNone(format) {
		r.Format = textOrNone(format)
	}
	objects := member(body, "object_type")
	r.Accounts = textOrNone(objects) == "account_report"
	switch {
	case r.URL == "":
		return nil, ErrInvalidExtract.Because("url is not a string with content")
	case r.Format != FormatJSON && r.Format != FormatCSV:
		return nil, ErrInvalidExtract.Because("format is neither json nor csv")
	case !isNone(objects) && !r.Accounts && textOrNone(objects) != "user_report":
		return nil, ErrInvalidExtract.Because("object_type is neither user_report nor account_report")
	}
	return r, nil
}

// firstSegmentList is the first of these members that is a list.
func firstSegmentList(body []byte, names ...string) *SegmentList {
	for _, name := range names {
		if list := only('[', member(body, name)); list != nil {
			return newSegmentList(list, maxSegments)
		}
	}
	return nil
}
