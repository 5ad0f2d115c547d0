"""The documentation as a site: every page is there, links lead somewhere, nothing comes from another site; in
a browser, at desk and phone width, pictures are there and sounds load."""
import functools, http.server, importlib.util, os, re, subprocess, sys, threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit
import pytest

root = Path(__file__).parents[1]
lacking = [name for name in ('sphinx', 'myst_nb', 'sphinx_book_theme', 'mermaidx')
           if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(
    bool(lacking), reason=f"no {', '.join(lacking)} here: `make docs` installs what makes pages")
chromium = Path('/usr/bin/chromium')

class Page(HTMLParser):
    "What a page can be linked at, where it leads, and what it loads."
    def __init__(self, text):
        super().__init__()
        self.ids,self.links,self.assets = set(),[],[]
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids |= {given[k] for k in ('id', 'name') if given.get(k)}
        if tag == 'a':
            self.links.append(given.get('href') or '')
        else:
            self.assets += [given[k] for k in ('src', 'href', 'poster', 'data', 'srcset') if given.get(k)]
            self.assets += re.findall(r'url\(["\']?([^)"\']+)', given.get('style') or '')

@pytest.fixture(scope='module')
def site(tmp_path_factory):
    "The site that `make docs` made, where it is newer than all it is made of; else a new one."
    made = root/'_docs'
    sources = [*(root/'nbs').rglob('*.ipynb'), *(root/'docs').rglob('*.*'), *(root/'weakse').rglob('*.py')]
    if (made/'index.html').is_file():
        if (made/'index.html').stat().st_mtime > max(p.stat().st_mtime for p in sources): return made
    made = tmp_path_factory.mktemp('made')/'site'
    done = subprocess.run(
        [sys.executable, root/'docs'/'build.py', made], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return made

@pytest.fixture(scope='module')
def pages(site):
    "Every page of the site, read."
    paths = [p for p in site.rglob('*.html') if '_static' not in p.parts]
    return {p.relative_to(site).as_posix(): Page(p.read_text(encoding='utf-8')) for p in paths}

def test_every_notebook_is_a_page(pages):
    for notebook in (root/'nbs').rglob('*.ipynb'):
        if notebook.name.startswith(('.', '_')) or '.ipynb_checkpoints' in notebook.parts: continue
        stem = re.sub(r'^\d+[a-z]*_', '', notebook.stem)
        assert (notebook.parent.relative_to(root/'nbs')/f'{stem}.html').as_posix() in pages

def test_no_link_is_dead(pages, site):
    dead = []
    for name,page in pages.items():
        for link in page.links:
            where = urlsplit(urljoin(f'http://site/{name}', link))
            if urlsplit(link).scheme: continue
            target = unquote(where.path).lstrip('/')
            if not (site/target).is_file():
                dead.append(f"{name}: {link}")
            elif where.fragment and target in pages and unquote(where.fragment) not in pages[target].ids:
                dead.append(f"{name}: {link} (no such place on the page)")
    assert dead == []

def test_nothing_comes_from_another_site(pages, site):
    outside = [f"{name}: {a}" for name,page in pages.items() for a in page.assets
               if urlsplit(a).scheme not in ('', 'data') or a.startswith('//')]
    loaded = re.compile(r'(?:url\(|@import )["\']?((?:https?:)?//[^)"\';]+)')
    for sheet in site.rglob('*.css'):
        outside += [f"{sheet.name}: {a}" for a in loaded.findall(sheet.read_text(encoding='utf-8'))]
    assert outside == []

def test_public_names_are_documented_with_their_tables(pages, site):
    import weakse
    ids = {i: name for name,page in pages.items() for i in page.ids if i.startswith('weakse-')}
    for name in weakse.__all__:
        home = getattr(weakse, name).__module__
        place = re.sub(r'[._]', '-', f'{home}.{name}').lower()
        assert place in ids or f'{place}-class' in ids, f"{name} of {home} is on no page"
    place = re.sub(r'[._]', '-', f'{weakse.mix_at_snr.__module__}.mix_at_snr')
    text = (site/ids[place]).read_text(encoding='utf-8')
    section = text[text.index(f'id="{place}"'):].split('<section')[0]
    for word in ('<table', 'Tensor', 'dB', 'waveform', '<em>returns</em>', 'Source'):
        assert word in section, word
    assert '#| ' not in re.sub('<[^>]+>', '', section) and 'default_exp' not in text

def test_two_notebooks_are_never_one_page(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(root/'docs')
    import build
    monkeypatch.setattr(build, 'NBS', tmp_path)
    for name in ('00_a.ipynb', '01_a.ipynb'):
        (tmp_path/'core').mkdir(exist_ok=True)
        (tmp_path/'core'/name).write_text('{}')
    with pytest.raises(ValueError, match='rename one of them'):
        build.find_pages()


# ---- in a browser

# every sound is asked to load, whatever its page says about loading early; what stays silent is named
sounds = """async () => {
  const one = a => new Promise(done => {
    if (a.readyState >= 1) return done(null)
    const failed = () => done((a.currentSrc || a.outerHTML).slice(0, 80))
    a.addEventListener('loadedmetadata', () => done(null))
    a.addEventListener('error', failed, true)
    setTimeout(failed, 10000)
    a.preload = 'metadata'
    a.load()
  })
  return (await Promise.all([...document.querySelectorAll('audio')].map(one))).filter(Boolean)
}"""
pictures = """[...document.images].filter(i => i.loading != 'lazy' && !(i.complete && i.naturalWidth))
  .map(i => i.src.slice(0, 80))"""

# one half of the pages on a desk, the other on a phone; every page on both once a week
STEP = 1 if os.environ.get('WEAKSE_EVERY_PAGE') else 2
FIRST = {1400: 0, 390: STEP - 1}

class Quiet(http.server.SimpleHTTPRequestHandler):
    "Files of the site, without a line for each."
    def log_message(self, *args): pass

@pytest.fixture(scope='module')
def address(site):
    "The site, served here."
    server = http.server.ThreadingHTTPServer(
        ('127.0.0.1', 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}/'
    server.shutdown()
    server.server_close()

@pytest.fixture(scope='module')
def browser():
    "Chromium without a window."
    playwright = pytest.importorskip(
        'playwright.sync_api', reason="playwright is not installed: pip install playwright")
    if not chromium.exists(): pytest.skip(f"no browser at {chromium}: apt-get install chromium")
    with playwright.sync_playwright() as p:
        b = p.chromium.launch(executable_path=str(chromium), args=['--no-sandbox'])
        yield b
        b.close()

@pytest.fixture
def visit(browser, address):
    "A way to open pages, and the list of what went wrong on them."
    contexts,wrong = [],[]
    def _open(**kwargs):
        context = browser.new_context(**kwargs)
        contexts.append(context)
        page = context.new_page()
        page.on('console', lambda m: wrong.append(f"{page.url}: {m.text}") if m.type == 'error' else None)
        page.on('pageerror', lambda e: wrong.append(f"{page.url}: {e}"))
        # what the next page cuts short is no failure
        page.on('requestfailed', lambda r: None if r.failure == 'net::ERR_ABORTED'
                else wrong.append(f"{page.url}: {r.url[:80]}: {r.failure}"))
        page.on('response', lambda r: None if r.status<400
                else wrong.append(f"{page.url}: {r.url} {r.status}"))
        page.on('request', lambda r: None if r.url.startswith((address, 'data:', 'blob:'))
                else wrong.append(f"{page.url}: {r.url[:80]} is outside"))
        return page
    yield _open, wrong
    for c in contexts:
        c.close()

@pytest.mark.parametrize('width,scheme', [(1400, 'light'), (390, 'dark')])
def test_every_page_in_a_browser(visit, address, pages, width, scheme):
    open_page,wrong = visit
    page = open_page(viewport=dict(width=width, height=900), is_mobile=width<600, color_scheme=scheme)
    heard = 0
    for name in sorted(pages)[FIRST[width]::STEP]:
        page.goto(address+name, wait_until='load')
        if page.locator('.math').count(): page.wait_for_selector('mjx-container', state='attached')
        wrong += [f"{name}: {src} does not load" for src in page.evaluate(sounds)+page.evaluate(pictures)]
        heard += page.locator('audio').count()
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width: wrong.append(f"{name} is {wide} pixels wide on a screen of {width}")
        assert page.get_attribute('html', 'data-theme') == scheme
    assert wrong == []
    assert heard > 0

def test_search_finds_a_page(visit, address):
    open_page,wrong = visit
    page = open_page()
    page.goto(address+'search.html?q=bootstrap')
    page.wait_for_selector('#search-results li a')
    assert wrong == []
