package interactive

import (
	"html"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/grantway/grantway/worker/problem"
)

// policy lets a page load its own style sheet and nothing else, and nobody frame it. Forms go
// to the gateway only; where a form leads elsewhere the answer is a page with a link
// (form-action would otherwise forbid the redirect).
const policy = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// piece is HTML that was made by a function of this file.
type piece string

func paragraph(text string) piece { return piece("<p>" + html.EscapeString(text) + "</p>") }

func link(href, text string) piece {
	return piece(`<p><a href="` + html.EscapeString(href) + `">` + html.EscapeString(text) + `</a></p>`)
}

// form posts to an address of the gateway.
func form(action string, inside ...piece) piece {
	return piece(`<form method="post" action="`+html.EscapeString(action)+`">`) + join(inside) + "</form>"
}

func hidden(name, value string) piece {
	return piece(`<input type="hidden" name="` + html.EscapeString(name) + `" value="` + html.EscapeString(value) + `">`)
}

func button(name, value, text string) piece {
	return piece(`<button name="` + html.EscapeString(name) + `" value="` + html.EscapeString(value) + `">` + html.EscapeString(text) + `</button> `)
}

func keyInput(required bool) piece {
	must := ""
	if required {
		must = " required"
	}
	return piece(`<p><label for="key">Your Grantway access key</label> <input id="key" name="key" type="password" autocomplete="off" spellcheck="false" maxlength="512"` + must + `></p>`)
}

// details is shown when somebody asks for it.
func details(summary string, inside ...piece) piece {
	return piece("<details><summary>"+html.EscapeString(summary)+"</summary>") + join(inside) + "</details>"
}

// deny can be pressed while a field that allowing needs is empty.
const deny piece = `<button name="decision" value="deny" formnovalidate>Deny</button>`

// facts is a list of names and values.
func facts(pairs ...string) piece {
	var b strings.Builder
	b.WriteString("<dl>")
	for i := 0; i+1 < len(pairs); i += 2 {
		b.WriteString("<dt>" + html.EscapeString(pairs[i]) + "</dt><dd>" + html.EscapeString(pairs[i+1]) + "</dd>")
	}
	b.WriteString("</dl>")
	return piece(b.String())
}

func section(title string, inside ...piece) piece {
	return piece("<section><h2>"+html.EscapeString(title)+"</h2>") + join(inside) + "</section>"
}

func join(list []piece) (out piece) {
	for _, p := range list {
		out += p
	}
	return out
}

// page answers one page.
func (h *Handler) page(w http.ResponseWriter, status int, title string, inside ...piece) {
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Frame-Options", "DENY")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "same-origin") // no-referrer would blank the Origin of the page's own forms
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>` +
		html.EscapeString(title) + ` · Grantway</title><link rel="stylesheet" href="` + stylePath + `"></head><body><main><h1>` +
		html.EscapeString(title) + `</h1>` + string(join(inside)) + `</main></body></html>`))
}

// leave sends the browser elsewhere after a form: by a page, because a redirect would be
// held against form-action.
func (h *Handler) leave(w http.ResponseWriter, to, host string) {
	w.Header().Set("Refresh", "0; url="+to)
	w.Header().Set("Referrer-Policy", "no-referrer")
	h.page(w, http.StatusOK, "Continue", paragraph("You are being sent to "+host+"."), link(to, "Continue to "+host))
}

// failPage shows a problem to a person; before is shown ahead of the way to the connections.
func (h *Handler) failPage(w http.ResponseWriter, r *http.Request, err error, before ...piece) {
	p := problem.From(err)
	p.SetHeader(w.Header())
	h.page(w, p.Status, "This did not work", paragraph(p.Message), facts("Code", p.Code, "Request", problem.RequestID(r.Context())), join(before), link(ConnectPath, "Connections"))
}

// SignInFailed shows a person why there is no session, with the way back to the UI, which asks
// to sign in.
func (h *Handler) SignInFailed(w http.ResponseWriter, r *http.Request, err error) {
	h.failPage(w, r, err, link("/ui/", "Back to sign in"))
}

// style is the pages' style sheet.
const style = `:root{color-scheme:light dark;font-family:system-ui,sans-serif;line-height:1.5}
body{margin:0;padding:2rem 1rem;background:Canvas;color:CanvasText}main{max-width:36rem;margin:0 auto}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin:0}section{border:1px solid color-mix(in srgb,currentColor 25%,transparent);border-radius:.5rem;padding:1rem;margin:1rem 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem}dt{opacity:.75}dd{margin:0;overflow-wrap:anywhere}
button{font:inherit;padding:.5rem 1rem;border-radius:.375rem;border:1px solid currentColor;background:transparent;color:inherit;cursor:pointer}
input[type=password]{font:inherit;padding:.5rem;width:100%;box-sizing:border-box}a,button,input{outline-offset:2px}
`

func loopbackHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
