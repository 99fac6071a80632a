package authserver

import (
	"crypto/rand"
	"html/template"
	"net/http"
	"net/url"
)

var consentPage = template.Must(template.New("consent").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Authorize</title>
<main><h1>Authorize {{.Client}}</h1>
<form method="post"><input type="hidden" name="request" value="{{.Request}}">
<p>Scopes: {{range .Scopes}}{{.}} {{end}}</p>
<p>{{range .People}}<button name="subject" value="{{.Subject}}">Allow as {{.Subject}}</button> {{end}}
<button name="subject" value="">Deny</button></p></form></main></html>`))

// ask keeps a request for the person and answers the address of the page that shows it.
func (s *Server) ask(request authorizationCode) string {
	id := rand.Text()
	s.mu.Lock()
	s.asked[id] = request
	s.mu.Unlock()
	return s.options.Issuer + consentPath + "?request=" + id
}

func consentHeaders(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	w.Header().Set("Referrer-Policy", "no-referrer")
}

func (s *Server) serveConsent(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("request")
	s.mu.Lock()
	request, ok := s.asked[id]
	s.mu.Unlock()
	if !ok || !s.options.Now().Before(request.expiry) {
		http.Error(w, "unknown or expired request", http.StatusNotFound)
		return
	}
	consentHeaders(w)
	consentPage.Execute(w, map[string]any{
		"Client": request.grant.client.ID, "Request": id, "Scopes": request.grant.scopes, "People": s.options.People,
	})
}

// serveDecision takes the request once.
func (s *Server) serveDecision(w http.ResponseWriter, r *http.Request) {
	id := r.PostFormValue("request")
	s.mu.Lock()
	request, ok := s.asked[id]
	delete(s.asked, id)
	s.mu.Unlock()
	target, err := url.Parse(request.redirectURI)
	if !ok || err != nil || !s.options.Now().Before(request.expiry) {
		http.Error(w, "unknown or expired request", http.StatusNotFound)
		return
	}
	consentHeaders(w)
	for _, person := range s.options.People {
		if person.Subject == r.PostFormValue("subject") {
			http.Redirect(w, r, s.approve(request, target, person), http.StatusSeeOther)
			return
		}
	}
	http.Redirect(w, r, s.back(request, target, "error", "access_denied"), http.StatusSeeOther)
}
