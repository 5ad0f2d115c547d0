"""AudioSet's lists: over https, in a bounded size, and the same as when they first came. Against a server of
this machine."""
import threading, urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import pytest
from weakse.corpora import audioset_lists
from weakse.corpora.audioset_lists import LISTS, PINS, fetch_list
from weakse.core.fetch import FetchError, SecureRedirects
from weakse.core.files import read_json

NAME = 'balanced_train_segments.csv'
LIST = (b'# num_ytids=1, num_segs=1, num_unique_labels=1, num_positive_labels=1\n# YTID, start_seconds, '
        b'end_seconds, positive_labels\nabc, 0.000, 10.000, "/m/09x0r"\n')

@pytest.fixture
def server():
    "A server that answers with `content`; with a length that it announces, or without."
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header('Content-Type', 'text/csv')
            if web.announced:
                self.send_header('Content-Length', str(len(web.content)))
            self.end_headers()
            try:
                self.wfile.write(web.content)
            except ConnectionError:
                pass
        def log_message(self, *_):
            pass
    web = ThreadingHTTPServer(('127.0.0.1', 0), Answer)
    web.content = LIST
    web.announced = True
    web.url = f'http://127.0.0.1:{web.server_port}/{NAME}'
    threading.Thread(target=web.serve_forever, daemon=True).start()
    yield web
    web.shutdown()
    web.server_close()

def names(folder):
    return sorted(p.name for p in folder.rglob('*'))

def test_every_published_list_comes_over_https():
    assert all(url.startswith('https://') for url in LISTS.values())

def test_a_redirect_away_from_https_is_not_followed():
    request = urllib.request.Request('https://a.example/list.csv')
    with pytest.raises(FetchError, match="leads to http://b.example/list.csv, away from https"):
        SecureRedirects().redirect_request(request, None, 302, 'Found', {}, 'http://b.example/list.csv')
    assert (
        SecureRedirects().redirect_request(request, None, 302, 'Found', {}, 'https://b.example/').full_url
        == 'https://b.example/')

@pytest.mark.parametrize('announced', [True, False])
def test_a_list_without_end_is_stopped(server, tmp_path, monkeypatch, announced):
    monkeypatch.setattr(audioset_lists, '_usual_most', 100)
    server.announced = announced
    with pytest.raises(FetchError, match=r"(?s)cannot fetch balanced.*(at most|more than the) 100.*by hand:"):
        fetch_list(NAME, tmp_path, server.url)
    assert names(tmp_path)==[]

def test_a_list_is_pinned_when_it_first_comes(server, tmp_path):
    path = fetch_list(NAME, tmp_path, server.url)
    assert read_json(tmp_path/PINS)[NAME]['bytes']==len(LIST) and path.read_bytes()==LIST
    assert fetch_list(NAME, tmp_path, 'http://127.0.0.1:9/')==path                # it is there, and the same
    path.write_bytes(LIST.replace(b'abc', b'xyz'))
    with pytest.raises(FetchError, match="is not the list that first came.*remove its entry"):
        fetch_list(NAME, tmp_path)
    path.unlink()
    server.content = LIST.replace(b'abc', b'xyz')
    with pytest.raises(FetchError, match="is not the list that first came"):
        fetch_list(NAME, tmp_path, server.url)

def test_a_page_in_place_of_a_list_leaves_nothing(server, tmp_path):
    server.content = b'<html>moved</html>'
    with pytest.raises(FetchError, match="what arrived is no balanced"):
        fetch_list(NAME, tmp_path, server.url)
    assert names(tmp_path)==[]
