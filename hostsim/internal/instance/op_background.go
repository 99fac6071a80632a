package instance

// opBackground makes an owner for work that outlives the response. It belongs to
// the same object, if any, and lives until sync done.
//
//   - reply: n = the owner's id
func (in *Instance) opBackground(_ *call, p params) {
	r := &Request{Actor: p.owner.Actor}
	if a := r.Actor; a != nil && a.Hold != nil {
		a.Hold()
		r.Finished = a.Release
	}
	in.load.Add(1)
	in.adopt(r)
	in.settleLocal(event{call: p.call, n: r.id})
}
