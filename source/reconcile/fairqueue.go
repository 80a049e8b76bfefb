package reconcile

import (
	"cmp"
	"slices"
)

// fairQueue is candidates to be read, shared out between workspaces: each batch has
// as many of one as of another, as long as both have some, and the rows of each come
// in the order of their times. So what one workspace has to be read back, and how
// large it is, does not keep the others waiting. What is of no known workspace counts
// as one.
type fairQueue struct {
	groups [][]Candidate
	n      int
}

func newFairQueue(cands []Candidate) *fairQueue {
	byTime(cands)
	q := &fairQueue{n: len(cands)}
	at := map[string]int{}
	for _, c := range cands {
		i, ok := at[c.Sketch.Workspace]
		if !ok {
			i = len(q.groups)
			at[c.Sketch.Workspace] = i
			q.groups = append(q.groups, nil)
		}
		q.groups[i] = append(q.groups[i], c)
	}
	return q
}

func byTime(cands []Candidate) {
	slices.SortStableFunc(cands, func(a, b Candidate) int { return cmp.Compare(a.Sketch.At, b.Sketch.At) })
}

// take removes the next batch of at most n, in the order of their times.
func (q *fairQueue) take(n int) []Candidate {
	n = min(n, q.n)
	var batch []Candidate
	for len(batch) < n {
		share := max((n-len(batch))/len(q.groups), 1)
		for i := range q.groups {
			k := min(share, len(q.groups[i]), n-len(batch))
			batch = append(batch, q.groups[i][:k]...)
			q.groups[i] = q.groups[i][k:]
		}
		q.groups = slices.DeleteFunc(q.groups, func(g []Candidate) bool { return len(g) == 0 })
	}
	// The first of this batch are the last of the next, where not all get a share.
	if len(q.groups) > n {
		q.groups = slices.Concat(q.groups[n:], q.groups[:n])
	}
	q.n -= n
	byTime(batch)
	return batch
}

// rest empties the queue.
func (q *fairQueue) rest() []Candidate {
	all := slices.Concat(q.groups...)
	q.groups, q.n = nil, 0
	return all
}
