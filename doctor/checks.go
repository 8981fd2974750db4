package doctor

// checks are all there are, in the order in which they are told. docs/doctor.md has a section
// for each.
var checks = []check{
	{"reach", "Pages cannot ask what does not answer.", nothing, (*examination).checkReach},
	{"certificate", "Browsers refuse what they do not believe, and an https page asks no http server.", nothing, (*examination).checkCertificate},
	{"http2", "Over HTTP/1.1 a browser has six connections to a host: six tabs with a stream, and the seventh hangs.", theServer, (*examination).checkHTTP2},
	{"clock", "Signatures and proofs of identity are good for a time, and are refused when clocks differ by more than 60 s.", theServer, (*examination).checkClock},
	{"protocol", "Of a server that speaks another version the page, and this doctor, expect what is not there.", theServer, (*examination).checkProtocol},
	{"ready", "A node that cannot read and write its store serves nobody who is new, and takes no notifications.", theServer, (*examination).checkReady},
	{"snippet", "Pages run nothing of Hullbeam without its script.", theServer, (*examination).checkSnippetFile},
	{"signatures", "Whoever knows the address can tell pages what they like of anybody.", theServer, (*examination).checkSignatures},
	{"connector", "Pages of an unknown connector are refused (connector_unknown).", aConnector, (*examination).checkConnector},
	{"origin", "The page is refused (origin_not_allowed), and shows what it shows to anybody.", theServer, (*examination).checkOrigin},
	{"identity", "Whoever knows an email can read what the site knows of its owner.", aConnector, (*examination).checkIdentity},
	{"token", "Without a token a page has no stream.", aConnector, (*examination).checkToken},
	{"cors", "A browser keeps from the page what does not say that the page may read it.", theServer, (*examination).checkSharedCORS},
	{"preflight", "Clients that set headers, such as those that are not an EventSource, ask first whether they may.", theServer, (*examination).checkPreflight},
	{"address", "Pages open their stream where they are told, and that is another place.", aToken, (*examination).checkAddress},
	{"request_line", "The token of a visitor with many identifiers is refused before Hullbeam sees it, for those visitors alone.", theServer, (*examination).checkRequestLine},
	{"stream", "Without a stream a page learns nothing.", aToken, (*examination).checkStream},
	{"query", "An EventSource can say its token nowhere else.", aToken, (*examination).checkQuery},
	{"buffering", "Events come late, all at once, or never: the page is personalized when the visitor has left.", aToken, (*examination).checkBuffering},
	{"compression", "What compresses waits for more to compress, and events wait with it; the answer says no-transform.", aToken, (*examination).checkCompression},
	{"idle", "Each cut has all pages reconnect, again and again, and what comes meanwhile is late.", aStream, (*examination).checkIdle},
	{"resume", "After each reconnection a page is told again what it has seen.", aStream, (*examination).checkResume},
	{"page", "A page without the snippet, or with that of another connector, shows nothing of Hull.", aPage, (*examination).checkPage},
	{"csp", "The browser blocks what the page's policy does not name, and only its console says so.", aPage, (*examination).checkCSP},
	{"forwarded", "Limits per address count the proxy instead of its visitors, or whoever lies; and addresses are told with http.", aKey, (*examination).checkForwarded},
	{"descriptors", "Each stream takes one: those above are refused.", theServer, (*examination).checkDescriptors},
	{"settings", "Something of the connector that should work does not.", aConnectorAndKey, (*examination).checkSettings},
}

// Checks are the names of all checks.
func Checks() (names []string) {
	for _, c := range checks {
		names = append(names, c.name)
	}
	return names
}
