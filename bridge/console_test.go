package bridge_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatbridge/bridge/auth"
	"chatbridge/internal/chatengine"
	"chatbridge/internal/chromium"
	"chatbridge/internal/npm"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/gorilla/websocket"
	"github.com/jackc/pgx/v5"
)

// consoleView is the operator's page in a browser.
type consoleView struct {
	t   *testing.T
	ctx context.Context
	// problems are the page's exceptions and errors, among them what its policy stopped.
	problems chan string
}

func (d *daemonTest) openConsole() *consoleView {
	d.t.Helper()
	return d.openConsoleAt(d.AdminAddr().String())
}

func (d *daemonTest) openConsoleAt(address string) *consoleView {
	d.t.Helper()
	ctx, done := chromedp.NewContext(chromium.Need(d.t), chromedp.WithNewBrowserContext())
	d.t.Cleanup(done)
	v := &consoleView{t: d.t, ctx: ctx, problems: make(chan string, 100)}
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			v.problem(e.ExceptionDetails.Text + " " + string(e.ExceptionDetails.Exception.Description))
		case *log.EventEntryAdded:
			v.problem(string(e.Entry.Source) + ": " + e.Entry.Text + " " + e.Entry.URL)
		}
	})
	if err != nil {
		d.t.Fatal(err)
	}
	v.resize(1280, "light")
	v.do(chromedp.Navigate("http://" + address + "/"))
	return v
}

func (v *consoleView) problem(text string) {
	select {
	case v.problems <- text:
	default:
	}
}

// quiet fails for every problem but those that contain one of the texts.
func (v *consoleView) quiet(but ...string) {
	v.t.Helper()
	for {
		select {
		case text := <-v.problems:
			expected := false
			for _, b := range but {
				expected = expected || strings.Contains(text, b)
			}
			if !expected {
				v.t.Errorf("the page has a problem: %s", text)
			}
		default:
			return
		}
	}
}

func (v *consoleView) do(action chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	if err := chromedp.Do(v.ctx, action); err != nil {
		v.t.Fatalf("steer the browser: %v", err)
	}
}

// await waits until an expression of the page is true.
func (v *consoleView) await(what, expression string) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, npm.AwaitTimeout)
	defer cancel()
	poll := `new Promise(done => { const look = () => { (` + expression + `) ? done(true) : setTimeout(look, 30) }; look() })`
	_, err := chromedp.Run(ctx, chromedp.Evaluate[bool](poll, chromedp.EvalAwaitPromise))
	for navigated(err) { // the promise was the page's before
		_, err = chromedp.Run(ctx, chromedp.Evaluate[bool](poll, chromedp.EvalAwaitPromise))
	}
	if err != nil {
		v.t.Fatalf("await that %s: %v; the page shows\n%s", what, err, evaluate[string](v, `document.body.innerText`))
	}
}

// navigated reports whether a page was left while it was asked.
func navigated(err error) bool {
	var of *cdproto.Error
	return errors.As(err, &of) && strings.Contains(of.Message, "navigated")
}

func evaluate[T any](v *consoleView, expression string) T {
	v.t.Helper()
	value, err := chromedp.Run(v.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		v.t.Fatalf("evaluate %s: %v", expression, err)
	}
	return value
}

// verdict waits for the first sentence, which the tab's title and icon show too.
func (v *consoleView) verdict(level, title string) {
	v.t.Helper()
	colour := map[string]string{"ok": "0b7a68", "note": "2f6db3", "degraded": "c77700", "down": "c2264b"}[level]
	v.await(level+": "+title, fmt.Sprintf(
		`document.querySelector('#verdict').className === 'level-%s' && document.querySelector('#verdict-title').textContent.startsWith(%q)
		&& document.title.includes(%q) && document.querySelector('link[rel=icon]').href.includes('%s')`, level, title, title, colour))
}

// happened waits for an entry of the time line.
func (v *consoleView) happened(text string) {
	v.t.Helper()
	v.await("it happened: "+text, fmt.Sprintf(`[...document.querySelectorAll('#timeline li')].some(e => e.textContent.includes(%q))`, text))
}

func (v *consoleView) press(selector string) {
	v.t.Helper()
	v.do(chromedp.WaitEnabled(selector))
	v.do(chromedp.Click(selector))
}

// resize makes the window that wide, in the light or the dark scheme.
func (v *consoleView) resize(width int64, scheme string) {
	v.t.Helper()
	v.do(chromedp.EmulateViewport(width, 900))
	v.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}})
		return err
	}))
}

// shoot keeps a picture of the page for somebody to look at, where the tests run with
// -artifacts; each takes up to a second.
func (v *consoleView) shoot(name string) {
	v.t.Helper()
	if f := flag.Lookup("test.artifacts"); f == nil || f.Value.String() != "true" {
		return
	}
	picture, err := chromedp.Run(v.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(v.t.ArtifactDir(), name+".png"), picture, 0o600)
	}
	if err != nil {
		v.t.Error(err)
	}
}

// fits expects nothing to be wider than the window, for several of them.
func (v *consoleView) fits(state string) {
	v.t.Helper()
	for _, width := range []int64{360, 768, 1280, 3840} {
		v.resize(width, "light")
		// Two frames: the charts are drawn anew.
		v.await("it is drawn", `new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`)
		if got := evaluate[int64](v, `document.documentElement.scrollWidth`); got > width {
			v.t.Errorf("%s: %d px wide in a window of %d", state, got, width)
		}
		v.shoot(fmt.Sprintf("%s-%d", state, width))
	}
	v.resize(1280, "light")
}

// ownCluster is a Postgres that the test may stop, with the CRM's schema.
func ownCluster(t *testing.T) (*throwaway.Cluster, string) {
	t.Helper()
	cluster := pgtest.Cluster(t, throwaway.Options{TCP: true})
	admin, err := pgx.Connect(t.Context(), cluster.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec(t.Context(), "create database crm"); err != nil {
		t.Fatal(err)
	}
	_ = admin.Close(t.Context())
	exec(t, cluster.URL("crm"), schemas.CRM)
	return cluster, cluster.URL("crm")
}

// TestConsoleOfABadNight: what happens to the database and to ChatEngine is what the page
// says, with why and what to do, and what can be done from it is done.
func TestConsoleOfABadNight(t *testing.T) {
	t.Parallel()
	cluster, dsn := ownCluster(t)
	_, ids := crmDatabase(t, dsn, 1)
	engine := chatengine.New(t, chatengine.Options{DatabaseURL: dsn, Secret: secret})
	d := startDaemon(t, dsn, often, "CHATENGINE_URL="+engine.URL().String(), "BRIDGE_GATEWAY_INTERVAL=100ms", "BRIDGE_GATEWAY_RECOVER_AFTER=200ms")
	d.ready()
	d.await("ChatEngine's health", func() bool { g := d.Snapshot().Gateway; return g.Status.Healthy })
	v := d.openConsole()
	v.verdict("ok", "ChatEngine serves; the bridge is ready to take over")
	v.await("it says what will be where nothing is", `document.querySelector('#people-empty').checkVisibility() && document.querySelector('#refusals-empty').checkVisibility()`)
	v.fits("well")

	// A client at ChatEngine is counted, without anything of it.
	atEngine, _, err := websocket.DefaultDialer.DialContext(t.Context(), strings.Replace(d.url, "http", "ws", 1)+"/api/ws/?EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer atEngine.Close()
	v.await("the client is at ChatEngine", `document.querySelector('#lanes [data-key=proxied] .state').textContent === '1 connected'`)

	// ChatEngine dies; a client with a hostile name comes to the bridge.
	engine.Kill()
	v.verdict("degraded", "ChatEngine is down; the bridge serves its clients")
	v.happened("The bridge serves in ChatEngine's place")
	const hostile = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>` + "\u202e"
	forged, err := auth.Sign(secret, workspace, hostile, "", "", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	client := d.clientWith(map[string]any{"token": forged}, ids[0])
	v.await("the client is listed by its name", fmt.Sprintf(`document.querySelector('#clients td')?.textContent === %q`, strings.ReplaceAll(hostile, "\u202e", `\u202e`)))
	if evaluate[int](v, `document.querySelectorAll('main img, main script').length`) != 0 {
		t.Error("the client's name has become HTML")
	}
	exec(t, dsn, fmt.Sprintf(`insert into messages (workspace_id, conversation_id, body, status, is_outgoing, sender_jid)
		select '%s', '%s', 'a secret of the customer ' || n, 'delivered', false, '5511999999999@s.whatsapp.net' from generate_series(1, 50) n`, workspace, ids[0]))
	client.await("the messages", func(events []event) bool { return len(events) >= 50 })

	// A word that the mapping does not know is shown as it is.
	exec(t, dsn, fmt.Sprintf(`insert into messages (workspace_id, conversation_id, body, status, is_outgoing, sender_jid)
		select '%s', '%s', 'x', s, false, '5511999999999@s.whatsapp.net' from unnest(array['teleported', '<img src=x onerror=alert(1)>']) s`, workspace, ids[0]))
	v.await("the words are listed", `JSON.stringify([...document.querySelectorAll('#refused .words code')].map(e => e.textContent)) === JSON.stringify(['teleported', '<img src=x onerror=alert(1)>'])`)
	if evaluate[int](v, `document.querySelectorAll('main img').length`) != 0 {
		t.Error("a word has become HTML")
	}

	// Its connection is closed from the page; it comes back.
	v.press("#clients button")
	v.await("it asks", `document.querySelector('#ask').open`)
	v.press("#ask-yes")
	<-client.connected
	v.happened("A client's connection was closed from this page")
	v.await("the dialog is gone", `!document.querySelector('#ask').open`)
	if !strings.Contains(d.log.String(), "an operator closed a client's connection") {
		t.Error("the log does not have it")
	}
	v.fits("chatengine-down")
	// Not the picture's own p99: that is of the last seconds, and drawing four widths may take them.
	v.await("the charts show the messages", `document.querySelectorAll('#chart-events path.line-0').length > 0 && /p99/.test(document.querySelector('#chart-delay').textContent)`)

	// The runbook's entry opens on the page, and its own links lead on.
	v.press("#verdict-links a")
	v.await("the entry is there", `document.querySelector('#reader').open && document.querySelector('#reader .found')?.textContent === 'BridgeServesAlone'`)
	v.do(chromedp.Click(`#reader-text a[href^="rest"]`))
	v.await("the other document is there", `document.querySelector('#reader-text h1')?.textContent.includes('REST')`)
	v.press("#reader-close")

	// Postgres stops.
	if err := cluster.Halt(t.Context(), "fast"); err != nil {
		t.Fatal(err)
	}
	v.await("the database is away", `/^level-(degraded|down)$/.test(document.querySelector('#verdict').className) && /database|Events do not flow/.test(document.querySelector('#verdict-title').textContent)`)
	v.await("the picture shows where", `document.querySelector('#path [data-key=database]').textContent.includes('not reached')`)
	v.happened("The source is away")
	v.resize(1280, "dark")
	v.shoot("postgres-down-dark")
	v.resize(1280, "light")
	if err := cluster.StartAgain(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.verdict("degraded", "ChatEngine is down")
	if n := evaluate[int](v, `[...document.querySelectorAll('#timeline li')].filter(e => e.textContent.includes('The source is away')).length`); n != 1 {
		t.Errorf("one outage is told %d times", n)
	}

	// A table is taken out of the publication: the bridge mends that, and tells of the gap.
	exec(t, dsn, `alter publication bridge drop table messages`)
	d.await("the gap", func() bool { return d.Snapshot().Pipeline.Gaps > 0 })
	v.verdict("degraded", "Changes were lost")
	v.happened("Changes were lost between")

	// What the check says now.
	v.press("#check-run")
	v.await("it says", `/findings/.test(document.querySelector('#check-said').textContent) && document.querySelectorAll('#check-found li').length > 0`)

	// ChatEngine comes back, and is ordered aside.
	if err := engine.Restore(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	v.happened("ChatEngine serves")
	v.press(`#modes [data-key="hold-local"]`)
	v.await("it says what will be", `/All clients come to the bridge/.test(document.querySelector('#ask-text').textContent)`)
	v.press("#ask-no")
	v.await("nothing was done", `!document.querySelector('#ask').open`)
	if mode := d.Snapshot().Gateway.Status.Mode; mode != "auto" {
		t.Errorf("the mode is %s although it was not confirmed", mode)
	}
	v.press(`#modes [data-key="hold-local"]`)
	v.press("#ask-yes")
	v.happened("The gateway was ordered hold-local")
	v.await("the button is pressed", `document.querySelector('#modes [data-key="hold-local"]').getAttribute('aria-pressed') === 'true'`)
	v.fits("after-all")
	if text := evaluate[string](v, `document.documentElement.outerHTML`); strings.Contains(text, "a secret of the customer") {
		t.Error("the page has what people write")
	}
	v.quiet()

	// The bridge itself ends: the page says so, and keeps the runbook.
	d.stop()
	v.verdict("down", "The bridge does not answer")
	v.press("#verdict-links a")
	v.await("the runbook is at hand", `document.querySelector('#reader .found')?.textContent === 'BridgeDown'`)
	v.quiet("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "503")
}

// TestConsoleByKeyboard: everything that can be done is reached by the tab key, in the order
// of the page, shows that it is, and charts are read with the arrows.
func TestConsoleByKeyboard(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, pgtest.DB(t, schemas.CRM))
	d.ready()
	d.client()
	v := d.openConsole()
	v.verdict("ok", "Events flow to 1 client")
	v.await("the client is listed and the charts are drawn", `document.querySelector('#clients button') && document.querySelectorAll('#chart-clients path.line-0').length > 0`)
	var reached []string
	for range 40 {
		v.do(chromedp.KeyEvent(kb.Tab))
		at := evaluate[string](v, `(e => e === document.body ? '' : (e.id || e.closest('[id]')?.id + ' ' + e.tagName))(document.activeElement)`)
		if at == "" {
			break // the browser's own controls
		}
		reached = append(reached, at)
		if !evaluate[bool](v, `(e => e.matches('.skip') || getComputedStyle(e).outlineStyle !== 'none' )(document.activeElement)`) {
			t.Errorf("%s does not show that it has the focus", at)
		}
	}
	rest := strings.Join(reached, "\n")
	for _, want := range []string{"chart-events", "chart-delay", "chart-lag", "chart-clients", "chart-packets", "chart-queue", "chart-wal", "chart-trouble", "check-run", "people-by", "people-find", "clients BUTTON", "raw-status"} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Errorf("%s is not reached, or not in its order; the tab key went by\n%s", want, strings.Join(reached, "\n"))
			break
		}
		rest = after
	}
	evaluate[any](v, `document.querySelector('#chart-clients').focus()`)
	v.do(chromedp.KeyEvent(kb.ArrowLeft))
	v.await("the charts show another moment", `/ at \d\d:\d\d:\d\d: /.test(document.querySelector('#chart-events').getAttribute('aria-label')) && document.querySelector('#chart-lag .cursor').getAttribute('visibility') === 'visible'`)
	v.do(chromedp.KeyEvent(kb.Escape))
	v.await("they show now", `/, now: /.test(document.querySelector('#chart-events').getAttribute('aria-label'))`)

	// Every control has a name, every picture a text, every heading follows the one above.
	if bad := evaluate[string](v, `[...document.querySelectorAll('button, a[href], input, select, [role=img]')]
		.filter(e => e.checkVisibility() && !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length)).map(e => e.outerHTML).join('\n')`); bad != "" {
		t.Errorf("without a name:\n%s", bad)
	}
	// Both schemes have the contrast that small text needs (WCAG: 4.5 to 1).
	for _, scheme := range []string{"light", "dark"} {
		v.resize(1280, scheme)
		if low := evaluate[string](v, contrast); low != "" {
			t.Errorf("%s: too little contrast:\n%s", scheme, low)
		}
	}
	v.quiet()
}

// contrast lists the texts of the page that have less contrast than small text needs.
const contrast = `(() => {
	const parse = c => c.match(/[\d.]+/g).map(Number)
	const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= 0.03928 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4)); return 0.2126 * r + 0.7152 * g + 0.0722 * b }
	const behind = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] === 1) return c.slice(0, 3) } return [255, 255, 255] }
	const low = []
	for (const e of document.querySelectorAll('body *')) {
		if (!e.checkVisibility() || e.disabled || ![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue
		const svg = e instanceof SVGElement
		const [a, b] = [light(parse(getComputedStyle(e)[svg ? 'fill' : 'color']).slice(0, 3)), light(behind(e))]
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
		if (ratio < 4.5) low.push(ratio.toFixed(2) + ' ' + e.tagName + ' ' + e.textContent.trim().slice(0, 40))
	}
	return low.join('\n')
})()`

// TestConsoleAsksForTheToken: by itself, without the browser's dialog, and no more in that tab.
func TestConsoleAsksForTheToken(t *testing.T) {
	t.Parallel()
	const token = "the-token-of-the-operator"
	d := runDaemon(t, []string{"DATABASE_URL=postgres://127.0.0.1:1/nowhere", "BRIDGE_ADMIN_LISTEN=127.0.0.1:0", "BRIDGE_ADMIN_TOKEN=" + token})
	for path, want := range map[string]int{"/": 401, "/console/state": 401, "/console/people": 401, "/docs/": 401, "/console/app.js": 200} {
		if code, _ := d.getAdmin(path, ""); code != want {
			t.Errorf("GET %s without the token: %d, want %d", path, code, want)
		}
	}
	for _, path := range []string{"/", "/console/state", "/console/people", "/docs/runbook"} {
		if code, _ := d.getAdmin(path, token); code != http.StatusOK {
			t.Errorf("GET %s with the token: %d", path, code)
		}
	}
	if code, _ := d.askAdmin(http.MethodPost, "/console/check", "", "{}"); code != http.StatusUnauthorized {
		t.Errorf("POST /console/check without the token: %d", code)
	}
	v := d.openConsole()
	v.await("it asks", `document.querySelector('#signin').checkVisibility() && !document.querySelector('#page').checkVisibility() && !document.querySelector('footer').checkVisibility() && document.activeElement.id === 'token'`)
	v.resize(360, "light")
	v.shoot("signin-360")
	v.do(chromedp.SendKeys("#token", "another"+kb.Enter))
	v.await("another is refused", `document.querySelector('#signin-said').textContent === 'That is not the token.'`)
	// What a header cannot have, such as a chat's quotes, is no token, and no lost connection.
	for _, pasted := range []string{"“" + token + "”", "schlüssel"} {
		v.do(chromedp.SendKeys("#token", "x"))
		evaluate[any](v, `document.querySelector('#signin-said').textContent = ''`)
		evaluate[any](v, fmt.Sprintf(`document.querySelector('#token').value = %q`, pasted))
		v.do(chromedp.SendKeys("#token", kb.Enter))
		v.await("it is refused: "+pasted, `document.querySelector('#signin').checkVisibility() && document.querySelector('#signin-said').textContent === 'That is not the token.'`)
	}
	v.do(chromedp.SendKeys("#token", token+kb.Enter))
	v.await("it shows the bridge", `document.querySelector('#page').checkVisibility() && /database/i.test(document.querySelector('#verdict-title').textContent)`)
	v.do(chromedp.Reload())
	v.await("it still does", `document.querySelector('#page').checkVisibility() && document.querySelector('#verdict-title').textContent !== 'Asking the bridge…'`)
	v.await("its footer is shown", `document.querySelector('#raw-status').checkVisibility()`)
	for path, has := range map[string]string{"status": `"source"`, "metrics": "bridge_build_info"} {
		v.do(chromedp.Click(`footer a[href="` + path + `"]`))
		v.await("it is shown "+path, fmt.Sprintf(`document.querySelector('#reader').open && document.querySelector('#reader-text pre')?.textContent.includes(%q)`, has))
		v.press("#reader-close")
	}
	v.press("#check-run")
	v.await("it may give orders", `/findings|Checking/.test(document.querySelector('#check-said').textContent)`)
	// The page that is open when the token is changed says so.
	evaluate[any](v, `sessionStorage.setItem('chatbridge.admin.token', 'the-token-before-that-one')`)
	v.await("it tells of the change", `document.querySelector('#signin').checkVisibility() && document.querySelector('#signin-said').textContent === 'The token has changed: type the new one.'`)
	v.do(chromedp.SendKeys("#token", token+kb.Enter))
	v.await("it shows the bridge again", `document.querySelector('#signout').checkVisibility() && /database/i.test(document.querySelector('#verdict-title').textContent)`)
	// No click of the mouse: what comes into the page above the button moves it away.
	evaluate[any](v, `document.querySelector('#signout').click()`)
	v.await("it asks again", `document.querySelector('#signin')?.checkVisibility()`)
	v.quiet("401")
}

// TestConsoleWhereOthersReachIt: without a token nothing is changed from it, and nobody is
// shown.
func TestConsoleWhereOthersReachIt(t *testing.T) {
	t.Parallel()
	d := runDaemon(t, []string{"DATABASE_URL=postgres://127.0.0.1:1/nowhere", "CHATENGINE_URL=http://127.0.0.1:1", "BRIDGE_ADMIN_LISTEN=0.0.0.0:0"})
	if code, body := d.getAdmin("/console/state", ""); code != http.StatusOK || !strings.Contains(body, "admin.token") || !strings.Contains(body, `"order":""`) {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := d.getAdmin("/console/people", ""); code != http.StatusForbidden {
		t.Errorf("people: %d", code)
	}
	for _, path := range []string{"/console/check", "/console/close", "/gateway"} {
		if code, _ := d.askAdmin(http.MethodPost, path, "", "{}"); code != http.StatusForbidden {
			t.Errorf("POST %s: %d", path, code)
		}
	}
	_, port, err := net.SplitHostPort(d.AdminAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	v := d.openConsoleAt("127.0.0.1:" + port)
	v.await("it says why nothing can be pressed", `[...document.querySelectorAll('.refuses')].every(e => e.checkVisibility() && e.textContent.includes('admin.token')) && document.querySelector('#check-run').disabled`)
	// The public listener has none of it.
	for _, path := range []string{"/console/state", "/console/app.js", "/docs/runbook"} {
		if code, body := d.get(path); code == http.StatusOK || strings.Contains(body, "verdict") {
			t.Errorf("the public listener: GET %s: %d %s", path, code, body)
		}
	}
}
