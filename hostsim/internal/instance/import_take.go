package instance

// take copies an inbox entry into the guest's memory and forgets it.
//
// # Parameters
//
//   - id: the id of the push that announced the entry; 0 for the environment
//   - ptr, len: where to, and how much: the length of meta and body added
//
// An entry that does not exist, or of another length, leaves the memory as it is.
//
//	take(7, 1000, 9) of meta "200\na:b" and body "xy":
//
//	         meta         body
//	  +----------------+  +--+
//	  2 0 0 \n a  :  b    x  y
//	  ^ 1000                 ^ 1008
func take(in *Instance, stack []uint64) {
	id, ptr, n := int32(stack[0]), uint32(stack[1]), uint32(stack[2])
	to := in.bytes(ptr, n)
	if id == 0 {
		if len(in.inbox.environ) == len(to) {
			copy(to, in.inbox.environ)
		}
		in.inbox.environ = nil
		return
	}
	if id != in.inbox.id || len(in.inbox.meta)+len(in.inbox.body) != len(to) {
		return
	}
	at := copy(to, in.inbox.meta)
	copy(to[at:], in.inbox.body)
	in.inbox.meta, in.inbox.body = "", nil
}

// bytes is a part of the guest's memory: valid only until the guest runs again. A
// pointer outside of the memory panics, which ends the instance.
func (in *Instance) bytes(ptr, n uint32) []byte {
	if n == 0 {
		return nil
	}
	return in.js.Mem[ptr : uint64(ptr)+uint64(n)]
}
