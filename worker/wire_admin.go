package worker

import (
	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/admin"
	"github.com/grantway/grantway/worker/directory"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/registry"
)

// wireAdmin wires the Directory, the read side of the records, the access keys
// and the management API.
func (g *Gateway) wireAdmin() {
	g.directory = directory.NewClient(g.platform)
	g.source = registry.NewSource(g.platform, g.directory)
	g.authenticator = access.NewKeys(g.platform)
	g.admin = admin.New(admin.Config{
		Platform:      g.platform,
		Directory:     g.directory,
		Source:        g.source,
		Authenticator: g.authenticator,
	})
	g.routes["v1"] = g.admin
	g.objects[platform.Directory] = directory.NewObject(g.platform)
	g.chores = append(g.chores, g.directory.Repair)
}
