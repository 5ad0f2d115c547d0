"The door of the app: what is asked of it before Voila is needed, and whom the server lets in."
import http.client, importlib.util, os, re, subprocess, sys
from pathlib import Path
from urllib.parse import urlsplit
import pytest
from weakse.app import server as app

needs_voila = pytest.mark.skipif(
    importlib.util.find_spec('voila') is None, reason="needs voila: pip install 'weakse[app]'")

def without_voila(monkeypatch):
    "As on a machine that has no Voila."
    monkeypatch.setitem(sys.modules, 'voila', None)
    monkeypatch.setitem(sys.modules, 'voila.app', None)

@pytest.mark.parametrize('port', [-1, 65536, 70000])
def test_a_port_out_of_range_is_said_before_voila_is_needed(monkeypatch, port):
    without_voila(monkeypatch)
    with pytest.raises(ValueError, match=f"port {port}; expected 1 to 65535"):
        app.serve(port)

def test_a_theme_is_looked_at_before_voila_is_needed_and_then_voila_is_missed(monkeypatch):
    without_voila(monkeypatch)
    with pytest.raises(ValueError, match="theme 'pink'"):
        app.serve(theme='pink')
    with pytest.raises(ImportError, match=r"pip install 'weakse\[app\]'"):
        app.serve(open_browser=False)

def test_the_token_is_no_argument_of_the_browser(tmp_path):
    address = app._opening(tmp_path/'open.html', 'http://127.0.0.1:1/?token=secret')
    assert 'secret' not in address and 'token=secret' in (tmp_path/'open.html').read_text()

@pytest.fixture(scope='module')
def address(tmp_path_factory):
    "A running app: the address it prints."
    here = Path(__file__).resolve().parents[1]
    path = os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")])
    env = os.environ | dict(PYTHONPATH=path, JUPYTER_PLATFORM_DIRS="1")
    server = subprocess.Popen(
        [sys.executable, '-c', 'from weakse.app.server import serve; serve(open_browser=False)'], env=env,
        text=True, cwd=tmp_path_factory.mktemp('app'), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = [server.stdout.readline()]
    while server.poll() is None and 'running at' not in said[-1]:
        said.append(server.stdout.readline())
    found = re.search(r'http://\S+', said[0])
    assert found and server.poll() is None, ''.join(said)
    yield urlsplit(found[0])
    server.terminate()
    server.wait(timeout=30)

def answer(address, path, host=None, **headers):
    "Status and where it leads."
    c = http.client.HTTPConnection('127.0.0.1', address.port, timeout=60)
    c.request('GET', path, headers=dict(Host=host or address.netloc, **headers))
    r = c.getresponse()
    found = r.status,r.getheader('Location') or ''
    c.close()
    return found

@needs_voila
def test_only_who_has_the_token_gets_the_page(address):
    assert re.fullmatch(r'token=[\w-]{32}', address.query)
    assert answer(address, f'/?{address.query}')[0]==200
    for path in ('/', '/?token=', '/?token=wrong', f'/?{address.query[:-1]}'):
        status,to = answer(address, path)
        assert status==403 or (status==302 and '/login' in to), path

@needs_voila
@pytest.mark.parametrize(
    'host', ['evil.example', 'evil.example:{port}', '127.0.0.1.evil.example', '192.168.0.1:{port}'])
def test_another_host_is_refused_whatever_it_brings(address, host):
    assert answer(address, f'/?{address.query}', host.format(port=address.port))[0]==403

@needs_voila
def test_no_kernel_is_reached_without_the_token(address):
    kernel = '/api/kernels/00000000-0000-0000-0000-000000000000'
    socket = dict(Connection='Upgrade', Upgrade='websocket', Origin=f'http://{address.netloc}')
    socket |= {'Sec-WebSocket-Version':'13', 'Sec-WebSocket-Key':'AAAAAAAAAAAAAAAAAAAAAA=='}
    assert answer(address, kernel)[0] in (302,403,405)
    assert answer(address, f'{kernel}/channels', **socket)[0]==403
