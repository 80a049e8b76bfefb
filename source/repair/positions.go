package repair

// positions hands out the Commit values of transactions that were read back. They lie
// between what was delivered before and what the source delivers next, and rise. A
// database's log has a place for each byte and its records begin at multiples of
// eight, so that there are some. None is that of a transaction: multiples of eight are
// left out.
type positions struct {
	next, end uint64
}

// between returns the last n places after after and before resume, or all where those
// are fewer. There is one at least.
func between(after, resume, n uint64) positions {
	first := after + 1
	if first >= resume { // the order begins anew
		first = 1
	}
	if n += n/7 + 1; resume > n && resume-n > first {
		first = resume - n
	}
	p := positions{next: min(first, resume-1), end: resume}
	p.leaveOut()
	return p
}

// leaveOut passes a place that may be a transaction's, unless it is the only one.
func (p *positions) leaveOut() {
	if p.next%8 == 0 && p.next+1 < p.end {
		p.next++
	}
}

// take returns the next place. last tells that there is no other.
func (p *positions) take() (commit uint64, last bool) {
	commit = p.next
	p.next++
	p.leaveOut()
	return commit, p.next >= p.end
}
