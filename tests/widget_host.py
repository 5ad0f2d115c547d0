"""A page that hosts one widget, without Voila or JupyterLab: both sides of a workbench are the real ones, and what
Jupyter would carry between them goes through a server of a hundred lines. A browser test then starts in seconds."""
import base64, contextlib, json, queue, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>host</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<link rel="stylesheet" href="/widget.css"><style>body {{ margin: 8px; font-family: sans-serif }}
body[data-jp-theme-light=false] {{ background: #111318; color: #eceef2 }} body {{ background: #fff; color: #16181d }}</style></head>
<body data-jp-theme-light="{light}"><main id="place"></main><script type="module" src="/host.js"></script></body></html>"""
HOST = """import widget from '/widget.js';
const me = Math.random().toString(36).slice(2);
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
const text = (view) => {
  const all = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  let out = '';
  for (let i = 0; i < all.length; i += 32768) out += String.fromCharCode(...all.subarray(i, i + 32768));
  return btoa(out);
};
const post = (what) => fetch('/post', { method: 'POST', body: JSON.stringify(what) });
class Model {
  constructor(state) {
    Object.assign(this, { state, changed: {}, listeners: {}, last: Promise.resolve() });
  }
  get(name) { return this.state[name]; }
  set(name, value) { this.state[name] = value; this.changed[name] = value; }
  save_changes() { this.queue({ set: this.changed }); this.changed = {}; }
  send(content, callbacks, buffers = []) { this.queue({ send: content, buffers: buffers.map(text) }); }
  queue(what) { this.last = this.last.then(() => post(what)).catch(() => {}); }
  on(event, f) { (this.listeners[event] ??= []).push(f); }
  off(event, f) { this.listeners[event] = (this.listeners[event] ?? []).filter((g) => g !== f); }
  fire(event, ...args) { for (const f of this.listeners[event] ?? []) f(...args); }
}
const model = (window.model = new Model(await (await fetch('/state?' + me)).json()));
widget.render({ model, el: document.getElementById('place') });
for (;;) {
  const found = await fetch('/events?' + me).then((r) => r.json()).catch(() => null);
  if (!found) { await new Promise((r) => setTimeout(r, 300)); continue; }
  for (const e of found)
    if (e.trait) { model.state[e.trait] = e.value; model.fire('change:' + e.trait); }
    else model.fire('msg:custom', e.content, e.buffers.map((b) => new DataView(bytes(b))));
}
"""

class Host:
    "A server for one widget; `url` shows it, as often as one likes."
    def __init__(self, bench, light=True):
        self.bench,self.desk = bench,bench.desk
        module,css = str(self.desk._esm),str(self.desk._css)
        self.names = [n for n in self.desk.trait_names() if self.desk.trait_metadata(n, 'sync') and not n.startswith('_')
                      and n not in ('layout', 'tabbable', 'tooltip', 'comm')]
        self.pages,self.lock = {},threading.RLock()
        self.said = []
        self.desk.send = self._send
        self.desk.observe(self._trait, self.names)
        files = {'/': ('text/html', PAGE.format(light=str(light).lower())), '/host.js': ('text/javascript', HOST),
                 '/widget.js': ('text/javascript', module), '/widget.css': ('text/css', css)}
        host = self
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args): pass
            def answer(self, kind, text):
                data = text.encode()
                self.send_response(200)
                self.send_header('Content-Type', f'{kind}; charset=utf-8')
                self.send_header('Content-Length', str(len(data)))
                self.end_headers()
                with contextlib.suppress(ConnectionError): self.wfile.write(data)   # a page that was closed
            def do_GET(self):
                path,_,me = self.path.partition('?')
                if path in files: self.answer(*files[path])
                elif path=='/state': self.answer('application/json', json.dumps(host.state(me)))
                elif path=='/events': self.answer('application/json', json.dumps(host.events(me)))
                else: self.answer('text/plain', '')
            def do_POST(self):
                host.post(json.loads(self.rfile.read(int(self.headers['Content-Length']))))
                self.answer('text/plain', '')
        self.server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.server.daemon_threads = True
        self.url = f'http://127.0.0.1:{self.server.server_port}/'
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def state(self, me):
        with self.lock:
            self.pages[me] = queue.Queue()
            return {n: getattr(self.desk, n) for n in self.names}

    def events(self, me):
        found = []
        try:
            found.append(self.pages[me].get(timeout=5))
            while True: found.append(self.pages[me].get_nowait())
        except queue.Empty:
            return found

    def tell(self, event):
        with self.lock:
            for q in self.pages.values(): q.put(event)

    def _trait(self, change):
        self.tell(dict(trait=change['name'], value=change['new']))

    def _send(self, content, buffers=None):
        self.tell(dict(content=content, buffers=[base64.b64encode(bytes(b)).decode() for b in buffers or []]))

    def post(self, what):
        with self.lock:
            if 'set' in what:
                for name,value in what['set'].items(): setattr(self.desk, name, value)
                return
        self.said.append(what['send'])
        self.bench._receive(self.desk, what['send'], [base64.b64decode(b) for b in what['buffers']])

    def close(self):
        self.server.shutdown()
        self.server.server_close()
