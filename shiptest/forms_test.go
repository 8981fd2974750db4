package shiptest

import "testing"

// An email that is typed into a form that the site has marked is told, as the visitor sends it.
func TestEmailOfAForm(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	for _, c := range []struct{ name, form, want string }{
		{"the field for an email", `<form data-hull-email><input name=a value=a@b><input type=email value=" ada@example.com "></form>`, `["ada@example.com"]`},
		{"the field that is named", `<form data-hull-email=mail><input type=email value=a@example.com><input name=mail value=b@example.com></form>`, `["b@example.com"]`},
		{"a form whose site does not have it sent", `<form data-hull-email onsubmit="event.preventDefault(); event.stopImmediatePropagation()"><input type=email value=ada@example.com></form>`, `["ada@example.com"]`},
		{"a form that came later", `<script>setTimeout(() => document.body.innerHTML += "<form data-hull-email><input type=email value=ada@example.com></form>")</script>`, `["ada@example.com"]`},
		{"an empty field", `<form data-hull-email><input type=email></form>`, `[]`},
		{"no such field", `<form data-hull-email=mail><input type=email value=ada@example.com></form>`, `[]`},
		{"a form that is not marked", `<form><input type=email value=ada@example.com></form>`, `[]`},
		{"fields that are named as what a form has", `<form data-hull-email><input name=elements><input name=dataset><input type=email value=a@b></form>`, `[]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			page := newProfile(t).tab(hear, known, sent, `addEventListener("submit", (event) => event.preventDefault());`)
			page.open(s.page("/", c.form+b.snippet("")))
			page.until(isOpen)
			page.until(`document.querySelector("form")`)
			page.eval(`document.querySelector("form").requestSubmit()`)
			page.eval(`hullBrowser.email("last@example.com")`)
			told := `sentSoFar().filter(([path]) => path == "/api/v1/visitors/email").map(([, body]) => body.email)`
			page.until(told + `.includes("last@example.com")`)
			page.same(told+`.slice(0, -1)`, c.want)
		})
	}
}
