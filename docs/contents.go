package docs

// Document is a row of the table of contents.
type Document struct {
	Name  string // the file's, without .md
	Title string
	Says  string // what it is for, a sentence
}

// Section is a part of the table of contents.
type Section struct {
	Title     string
	Documents []Document
}

// Contents is the order of the documents: in the navigation, from one to the next, and in
// llms.txt. Every file of this directory is in it.
var Contents = []Section{
	{"Begin", []Document{
		{"start", "Start here", "A first personalized page in three commands, a pretend Hull to play with, and what to read next."},
		{"personalization", "Personalize a page", "The page snippet: how a page shows what is known of its visitor, and follows it."},
		{"attributes", "Attributes", "Personalization without a script: elements that are shown, filled and changed by their attributes."},
		{"reporting", "Reports and offers", "Page views, emails that visitors type, offers on the page, and telling other tools."},
		{"identity", "Identify visitors safely", "How a page proves who its visitor is, and a stranger cannot."},
		{"install-hull", "Install in Hull", "How a connector is set up in Hull's dashboard, and what its settings do."},
		{"without-hull", "Use without Hull", "Users from Segment, RudderStack, a warehouse or an application, with the code."},
		{"migrate", "Migrate", "From hull-browser, hull-website or socket.io, side by side and back."},
		{"operators", "For operators", "Who is on the site, what they looked at, offers, and why a visitor gets nothing."},
		{"troubleshooting", "When it does not work", "Symptoms, their causes, and what to do."},
	}},
	{"Operate", []Document{
		{"operate", "Operate", "How large a machine, what to set on it, how to stop, update and watch it."},
		{"recovery", "Recovery", "Backups that open, what each loss costs, and replacing secrets and keys."},
		{"configuration", "Configuration", "Every setting, with its default, range, variable and flag."},
		{"cluster", "Many nodes", "Several nodes that share one Redis: how to run them, and what happens when something fails."},
		{"proxies", "What stands in front", "What a proxy has to do for event streams, and examples for nginx, HAProxy and Caddy."},
		{"doctor", "Doctor", "What hullbeam doctor finds wrong with an installation, and the line to change."},
		{"metrics", "Metrics", "Every metric and log message, and what it counts."},
		{"alerts", "Alerts", "What each alert means, what to look at, and what to do."},
		{"tracing", "Tracing", "What became of a request, on all nodes, in Jaeger, Tempo or any OpenTelemetry collector."},
		{"performance", "Performance", "What was measured, on what, and with which commands."},
		{"bench", "Sizing by measuring", "How to measure what a machine can do."},
		{"security", "Security", "What holds against whom, and what does not."},
		{"attacks", "Attacks", "The table of attacks that is run against a server."},
	}},
	{"Look up", []Document{
		{apiName, "API", "Every operation, with its parameters, bodies, answers and examples."},
		{"protocol", "Protocol", "All events, answers and rules, for those who write a client of their own."},
		{errorsName, "Errors", "Every code of a problem: what it means and what to do."},
		{"hull-protocol", "Hull's protocol", "What Hull sends and expects, as facts."},
		{"sse-facts", "Facts on event streams", "What browsers, proxies and clients do with server-sent events."},
		{"glossary", "Words", "What each word means in these documents."},
	}},
	{"Change it", []Document{
		{"architecture", "Architecture", "How Hullbeam is made: packages, the way of the data, bounds."},
		{"contributing", "Contributing", "How it is built, tested and documented."},
		{"release", "Make a release", "How a version is made, and what its files are."},
		{"dependencies", "Dependencies", "Each dependency, and why it is there."},
		{decisionsName, "Decisions", "What was decided and why, what else there was, and what would change it."},
	}},
}

const (
	apiName       = "api"    // made of openapi.yaml
	errorsName    = "errors" // these two are directories
	decisionsName = "decisions"
)

// around are the document of a name, and those before and after it in the contents. One
// in a directory has the directory's.
func around(name string) (previous, current, next *Document) {
	for _, section := range Contents {
		for i := range section.Documents {
			d := &section.Documents[i]
			if current != nil {
				return previous, current, d
			} else if d.Name == name {
				current = d
			} else {
				previous = d
			}
		}
	}
	if current == nil {
		return nil, nil, nil
	}
	return previous, current, nil
}
