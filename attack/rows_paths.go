package attack

import "strings"

// hidden asks that nothing is at a path, which is sent as it is, for who has no key.
func hidden(name string, paths ...string) Attack {
	return row(name, func(x *try) {
		for _, path := range paths {
			path = strings.NewReplacer("{c}", x.victim.id, "{user}", x.victim.user).Replace(path)
			c := x.raw(lines("GET "+path+" HTTP/1.1", "Host: {host}", "Connection: close", "")).refused(400, 401, 404, 405).ends()
			for _, a := range c.answers {
				a.lacks("root:").lacks("package ").lacks("public_traits:").lacks(`"private_settings"`)
			}
		}
	})
}

func paths() []Attack {
	return group("path", "docs/protocol.md; /openapi.yaml",
		hidden("out of the documents", "/docs/../serve.go", "/docs/../../../../etc/passwd", "/docs/errors/../../serve.go", "/docs/....//....//etc/passwd"),
		hidden("out of the documents, encoded", "/docs/%2e%2e/%2e%2e/etc/passwd", "/docs/..%2f..%2fetc%2fpasswd", "/docs/%2e%2e%2fserve.go", "/docs/%252e%252e%252fetc/passwd"),
		hidden("out of the documents, with backslashes", `/docs/..\..\etc\passwd`, "/docs/..%5c..%5cetc%5cpasswd", "/docs/errors%5c..%5c..%5cgo.mod"),
		hidden("out of the documents, by overlong dots", "/docs/%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd", "/docs/%e0%80%ae%e0%80%ae/etc/passwd"),
		hidden("documents by their whole path", "/docs//etc/passwd", "/docs/%2fetc%2fpasswd", "/docs/file:///etc/passwd", "/docs/C:/windows/win.ini"),
		hidden("documents with a NUL", "/docs/start%00", "/docs/start%00.md", "/docs/../../etc/passwd%00.md"),
		hidden("what is no document", "/docs/docs.go", "/docs/contents.go", "/docs/site/page.html", "/docs/."),
		hidden("out of the snippet's files", "/ship/../admin.ts", "/ship/%2e%2e%2fopenapi.yaml", "/ship/..", "/ship/ship.ts", "/ship/%00", `/ship/..\ship.js`),
		hidden("out of Hull's page's files", "/install/files/../page.html", "/install/files/%2e%2e%2fpage.html", "/install/files/page.html", "/install/files/refused.html", "/install/files/..%5cpage.html"),
		hidden("out of the operators' pages", "/admin/../../../etc/passwd", "/admin/%2e%2e/%2e%2e/etc/passwd", "/admin/..%2f..%2fopenapi.yaml", "/admin/admin.ts", "/admin/%00", `/admin/..\..\go.mod`),
		hidden("operators' routes in other letters", "/API/v1/connectors", "/api/V1/audit", "/api/v1/Connectors", "/Metrics"),
		hidden("operators' routes with slashes too many", "//api/v1/connectors", "/api//v1/connectors", "/api/v1//connectors", "/api/v1/connectors/", "/api/v1/connectors//{c}", "/api/v1/audit/"),
		hidden("operators' routes by a detour", "/docs/../api/v1/connectors", "/healthz/../api/v1/audit", "/api/v1/./connectors", "/api/v1/stream/../audit", "/ship/%2e%2e/api/v1/audit"),
		hidden("operators' routes with something at the end", "/api/v1/connectors;x=1", "/api/v1/connectors%00", "/api/v1/connectors%20", "/api/v1/connectors.json", "/api/v1/audit%3f", "/api/v1/audit%23", "/api/v1/audit%2f"),
		hidden("operators' routes, encoded", "/%61pi/v1/connectors", "/api/v1/%63onnectors/{c}", "/api%2fv1%2fconnectors", "/api/v1/connectors%2f{c}"),
		hidden("the connector by a detour", "/api/v1/connectors/x/../{c}", "/api/v1/connectors/%2e%2e/connectors", "/api/v1/connectors/x%2f..%2f{c}", "/api/v1/connectors/{c}/../{c}"),
		hidden("a user by a detour", "/api/v1/connectors/{c}/users/../../{c}", "/api/v1/connectors/{c}/users/id:{user}/../id:{user}", "/api/v1/connectors/{c}/users/id%3a{user}"),
		hidden("a script by a name that somebody has made", "/api/v1/connectors/{c}/script.0000000000000000.js", "/api/v1/connectors/{c}/script..js", "/api/v1/connectors/{c}/script.%2e%2e.js", "/api/v1/connectors/{c}/..%2fscript.js"),
		hidden("what lies beside", "/.git/config", "/config.yaml", "/data/hullbeam.db", "/.env", "/go.mod", "/server-status", "/development.json", "/wp-login.php"),
		hidden("another one's name in a database's words", "/api/v1/connectors/'%20OR%201=1--", "/api/v1/connectors/{c}'--", "/api/v1/connectors/*", "/api/v1/connectors/%25"),
		unlessDevelopment(hidden("the demonstration site, which is for development", "/demo/", "/demo/index.html", "/demo/hull/users", "/demo")),
		row("a redirect to another host", func(x *try) {
			for _, path := range []string{"/admin//evil.test", "//evil.test/%2e%2e", "/admin/..//evil.test", "//evil.test/admin", `/\evil.test/admin`, "/docs//evil.test/", "//evil.test/docs", "/admin?next=//evil.test"} {
				for _, a := range x.raw(lines("GET "+path+" HTTP/1.1", "Host: {host}", "Connection: close", "")).answers {
					x.say("%d", a.status)
					if to := a.header.Get("Location"); strings.Contains(to, "evil") && !strings.HasPrefix(to, "/admin/") {
						x.fault("%s leads to %q", path, to)
					}
				}
			}
		}),
	)
}

func unlessDevelopment(a Attack) Attack {
	a.needs = func(t *Target) string {
		if t.Development {
			return "the server is in development mode"
		}
		return ""
	}
	return a
}
