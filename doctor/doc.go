// Package doctor looks at an installation of Hullbeam from outside, as a page's browser
// reaches it, and names what is wrong with it and the line to change: of the proxy in
// front, of config.yaml, of the page's Content-Security-Policy, of the connector's settings
// in Hull. docs/doctor.md has all checks.
//
// It knows Hullbeam by its protocol alone. It writes nothing: it asks for tokens and opens
// streams, as a page does that reports no page view. With an operators' key it asks besides
// how its request has arrived at the node (GET /api/v1/diagnosis), which nobody can see from
// outside. Whatever answers is not trusted: every answer is bounded in bytes and time, what is
// quoted of it has no control characters, and neither keys nor tokens are ever in a report.
package doctor
