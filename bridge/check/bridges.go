package check

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"chatbridge/bridge/cluster"
	"chatbridge/bridge/gateway"
	"chatbridge/internal/httpclient"
	"chatbridge/internal/plural"
)

const (
	// reachTimeout bounds one request to another bridge.
	reachTimeout = 3 * time.Second
	anew         = "clients that poll and come to another bridge than theirs begin anew, again and again"
)

// addresses checks the addresses that the bridges of the cluster advertise: this one's, as far
// as it can be judged here, and whether each bridge answers at its own.
func (r *run) addresses(ctx context.Context, peers []cluster.Peer) {
	r.advertise(ctx, peers)
	client := httpclient.New(&http.Transport{DisableKeepAlives: true}) // no proxy of the environment, as the bridges have none
	answer := 0
	for i := range peers {
		p := &peers[i]
		if p.Address == nil {
			r.ok("cluster.advertise", "", "a bridge of the cluster tells no address: clients that poll need sticky sessions")
			continue
		}
		wrong := r.reach(ctx, client, p)
		if wrong == "" {
			answer++
			continue
		}
		if other := sameAddress(peers, i); other != "" {
			wrong += "; the bridge " + other + " tells the same address"
		}
		fix := "at that bridge cluster.advertise: the address at which this host reaches it, and a firewall that lets it"
		if isLoopback(ctx, p.Address.Hostname()) {
			fix = "at that bridge, if it is of another host, cluster.advertise: http://, its address in your network and its port"
		}
		r.warn("cluster.advertise", p.Address.String(), "the bridge "+p.About.Name+" tells that it is reached there: "+wrong, anew, fix)
	}
	if answer > 0 {
		r.ok("cluster.advertise", "", "%s where it says", plural.Of(answer, "bridge of the cluster answers", "bridges of the cluster answer, each"))
	}
}

// advertise judges the address that this bridge advertises.
func (r *run) advertise(ctx context.Context, peers []cluster.Peer) {
	c := r.cfg.Cluster
	listens, _ := netip.ParseAddrPort(r.cfg.Listen)
	if host, port, err := net.SplitHostPort(r.cfg.Listen); err == nil && host == "" {
		listens, _ = netip.ParseAddrPort("0.0.0.0:" + port)
	}
	secure := r.cfg.TLS.CertFile != ""
	own := cluster.Advertised(c.Advertise, listens, secure, c.RedisURL.Reveal())
	if own == "" {
		if secure {
			r.ok("cluster.advertise", "", "the others are told no address of this bridge: clients that poll need sticky sessions, or set cluster.advertise to https:// and the certificate's name")
		}
		return
	}
	u, err := cluster.ParseAdvertise(own)
	if err != nil {
		return // the configuration is refused
	}
	fix := "cluster.advertise: the address at which the other bridges reach this one"
	if known := cluster.Advertised("", netip.AddrPortFrom(netip.IPv4Unspecified(), listens.Port()), secure, c.RedisURL.Reveal()); known != "" {
		fix = "cluster.advertise: " + known + ", this host's address towards Redis, or another at which the other bridges reach it"
	}
	if listens.Addr().IsLoopback() {
		fix += "; and listen: \":" + fmt.Sprint(listens.Port()) + "\", because nobody reaches " + r.cfg.Listen + " from there"
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, u.Hostname())
	switch {
	case err != nil:
		r.warn("cluster.advertise", own, "the others are told this address, and its name is not known here: "+bare(err), anew, fix)
	case allLoopback(addresses) && elsewhere(ctx, peers):
		r.warn("cluster.advertise", own, "the others are told this address, which leads each host to itself, and some of them are on other hosts", anew, fix)
	default:
		r.ok("cluster.advertise", own, "the others are told that this bridge is reached there")
	}
}

// reach asks a bridge at its address as another one does that passes a request on. It
// returns what is wrong, "" for nothing.
func (r *run) reach(ctx context.Context, client *http.Client, p *cluster.Peer) string {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	target := strings.TrimSuffix(p.Address.String(), "/") + r.cfg.Path + "/?EIO=4&transport=polling&sid=" + gateway.SIDPrefix + p.ID + "-check"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return bare(err)
	}
	req.Header.Set(cluster.ForwardHeader, cluster.Forwarded(p.About.Secret, req.Method, req.URL.RequestURI(), "127.0.0.1"))
	res, err := client.Do(req)
	if err != nil {
		return "from here it is not: " + bare(err)
	}
	defer res.Body.Close()
	if res.Header.Get(cluster.NodeHeader) != p.ID {
		return fmt.Sprintf("what answers there (%d) is another bridge or program", res.StatusCode)
	}
	return ""
}

// sameAddress names another bridge that tells the address of peers[i], "" for none.
func sameAddress(peers []cluster.Peer, i int) string {
	for j := range peers {
		if p := &peers[j]; j != i && p.Address != nil && p.Address.String() == peers[i].Address.String() {
			return p.About.Name
		}
	}
	return ""
}

func isLoopback(ctx context.Context, host string) bool {
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	return err == nil && allLoopback(addresses)
}

func allLoopback(addresses []string) bool {
	for _, a := range addresses {
		if ip := net.ParseIP(a); ip == nil || !ip.IsLoopback() {
			return false
		}
	}
	return len(addresses) > 0
}

// elsewhere reports whether a bridge is at an address of another machine.
func elsewhere(ctx context.Context, peers []cluster.Peer) bool {
	mine, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	here := make(map[string]bool)
	for _, a := range mine {
		if n, ok := a.(*net.IPNet); ok {
			here[n.IP.String()] = true
		}
	}
	for i := range peers {
		if peers[i].Address == nil {
			continue
		}
		addresses, _ := net.DefaultResolver.LookupHost(ctx, peers[i].Address.Hostname())
		for _, a := range addresses {
			if ip := net.ParseIP(a); ip != nil && !ip.IsLoopback() && !here[ip.String()] {
				return true
			}
		}
	}
	return false
}
