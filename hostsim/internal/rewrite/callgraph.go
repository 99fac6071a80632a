package rewrite

import "fmt"

// graph holds the direct calls between the module's own functions.
type graph struct {
	calls [][]int32 // callees of each function, each once
}

// callGraph reads the direct calls. Functions are counted without the imported ones,
// which do not call back.
func callGraph(bodies [][]byte, imported uint64) (graph, error) {
	g := graph{calls: make([][]int32, len(bodies))}
	last := make([]int32, len(bodies)) // the caller that a callee was last noted for, plus 1
	for i, body := range bodies {
		w := newWalker(body)
		for {
			_, in, ok := w.next()
			if !ok {
				break
			}
			if in.op != opCall || in.callee < imported {
				continue
			}
			callee := in.callee - imported
			if callee >= uint64(len(bodies)) {
				return g, fmt.Errorf("%w: call of function %d", ErrModule, in.callee)
			}
			if last[callee] != int32(i)+1 {
				last[callee] = int32(i) + 1
				g.calls[i] = append(g.calls[i], int32(callee))
			}
		}
		if w.bad {
			return g, fmt.Errorf("%w: function body %d", ErrModule, i)
		}
	}
	return g, nil
}

// hubs is how many functions breakCycles chooses by their degree.
const hubs = 12

// breakCycles chooses functions so that every cycle has one of them. First the hubs:
// in Go, nearly every function calls runtime.morestack, from which nearly every one can be
// reached, and to choose it is cheap, since it runs seldom. What cycles are left are broken
// where a search in depth finds them to close.
func (g graph) breakCycles() []bool {
	chosen := make([]bool, len(g.calls))
	for range hubs {
		hub := g.hub(chosen)
		if hub < 0 {
			break
		}
		chosen[hub] = true
	}
	const (
		unseen = iota
		open
		closed
	)
	state := make([]uint8, len(g.calls))
	type frame struct {
		node int32
		next int
	}
	var stack []frame
	for root := range g.calls {
		if state[root] != unseen || chosen[root] {
			continue
		}
		stack = append(stack[:0], frame{int32(root), 0})
		state[root] = open
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if top.next == len(g.calls[top.node]) {
				state[top.node] = closed
				stack = stack[:len(stack)-1]
				continue
			}
			callee := g.calls[top.node][top.next]
			top.next++
			switch {
			case chosen[callee]:
			case state[callee] == open:
				chosen[callee] = true
			case state[callee] == unseen:
				state[callee] = open
				stack = append(stack, frame{callee, 0})
			}
		}
	}
	return chosen
}

// hub is the function, among those that lie on a cycle and are not chosen, with the most
// calls in and out within its strongly connected component; -1 if there is no cycle.
func (g graph) hub(chosen []bool) int {
	component := g.components(chosen)
	in, out := make([]int, len(g.calls)), make([]int, len(g.calls))
	for i, callees := range g.calls {
		if chosen[i] {
			continue
		}
		for _, c := range callees {
			if !chosen[c] && component[c] == component[i] {
				out[i]++
				in[c]++
			}
		}
	}
	best, degree := -1, 0
	for i := range g.calls {
		if d := in[i] * out[i]; d > degree {
			best, degree = i, d
		}
	}
	return best
}

// components numbers the strongly connected components of what is not chosen
// (Tarjan's algorithm, without recursion).
func (g graph) components(chosen []bool) []int32 {
	n := len(g.calls)
	index, low, component := make([]int32, n), make([]int32, n), make([]int32, n)
	onStack := make([]bool, n)
	var stack, path []int32
	next := make([]int, n)
	counter, components := int32(0), int32(0)
	for root := range n {
		if index[root] != 0 || chosen[root] {
			continue
		}
		path = append(path[:0], int32(root))
		for len(path) > 0 {
			v := path[len(path)-1]
			if index[v] == 0 {
				counter++
				index[v], low[v] = counter, counter
				stack = append(stack, v)
				onStack[v] = true
			}
			if next[v] < len(g.calls[v]) {
				c := g.calls[v][next[v]]
				next[v]++
				switch {
				case chosen[c]:
				case index[c] == 0:
					path = append(path, c)
				case onStack[c]:
					low[v] = min(low[v], index[c])
				}
				continue
			}
			path = path[:len(path)-1]
			if len(path) > 0 {
				parent := path[len(path)-1]
				low[parent] = min(low[parent], low[v])
			}
			if low[v] != index[v] {
				continue
			}
			components++
			for {
				w := stack[len(stack)-1]
				stack = stack[:len(stack)-1]
				onStack[w] = false
				component[w] = components
				if w == v {
					break
				}
			}
		}
	}
	return component
}
