// SPDX-License-Identifier: MIT
// backend.js SECRET-FILE [psk | CA CERT KEY]: a backend for producers, written from doc/monitor-wire.md alone, over the library "ws".
// Prints "listening PORT", then a JSON object a line for what happens.  It keeps what it gets in memory: an end of it loses all.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const https = require('https');
const { WebSocketServer } = require('ws');

const PROTOCOL = 'appctl-monitor';
const NODE = 'backend';
const say = (o) => process.stdout.write(JSON.stringify(o) + '\n');

const [secretFile, how, cert, key] = process.argv.slice(2);
const content = fs.readFileSync(secretFile);
const newline = content.indexOf(10);
const secret = newline < 0 ? content : content.subarray(0, newline);
if (secret.length < 16)
	throw new Error('no secret');

function preSharedKey() {
	return Buffer.from(crypto.hkdfSync('sha256', secret, `${PROTOCOL} psk`, '', 32));
}

function makeServer() {
	if (how === undefined)
		return http.createServer();
	if (how === 'psk')
		return https.createServer({ minVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256',
			pskCallback: (socket, identity) => (identity === PROTOCOL ? preSharedKey() : null) });
	return https.createServer({ minVersion: 'TLSv1.3', requestCert: true, rejectUnauthorized: true,
		ca: fs.readFileSync(how), cert: fs.readFileSync(cert), key: fs.readFileSync(key) });
}

function exporter(socket) {
	return socket.encrypted ? socket.exportKeyingMaterial(32, `EXPORTER-${PROTOCOL}`).toString('hex') : '';
}

function mac(role, challenge, response, exported) {
	const text = [`${PROTOCOL} 1`, role, challenge.node, response.node, String(response.epoch), challenge.nonce, response.nonce, exported];
	return crypto.createHmac('sha256', secret).update(text.map((line) => line + '\n').join('')).digest('hex');
}

const same = (a, b) => typeof a === 'string' && a.length === b.length && crypto.timingSafeEqual(Buffer.from(a), Buffer.from(b));

const stored = new Map();	// "node epoch" -> the highest number

function take(ws, peer, batch) {
	const name = `${peer.node} ${peer.epoch}`;
	if (batch.node !== peer.node || batch.epoch !== peer.epoch || !Array.isArray(batch.columns) ||
	    !batch.rows.every((row) => row.length === batch.columns.length))
		return ws.close(1008, 'not a batch of yours');
	const repeated = batch.seq <= (stored.get(name) || 0);
	if (!repeated)
		stored.set(name, batch.seq);
	say({ batch: batch.type, node: batch.node, seq: batch.seq, ts: batch.ts, columns: batch.columns, rows: batch.rows.length, first: batch.rows[0], repeated });
	ws.send(JSON.stringify({ type: 'ack', epoch: batch.epoch, seq: stored.get(name) }));
}

function serve(ws, request) {
	const challenge = { type: 'challenge', version: 1, node: NODE, nonce: crypto.randomBytes(32).toString('hex') };
	const exported = exporter(request.socket);
	let peer = null;
	ws.on('message', (data, binary) => {
		const message = binary ? {} : JSON.parse(data.toString());
		if (peer)
			return take(ws, peer, message);
		if (message.type !== 'response' || !same(message.mac, mac('producer', challenge, message, exported))) {
			say({ refused: message.type });
			return ws.close(1008, 'not authenticated');
		}
		peer = message;
		say({ opened: peer.node, epoch: peer.epoch, tls: exported !== '' });
		ws.send(JSON.stringify({ type: 'welcome', mac: mac('consumer', challenge, message, exported) }));
		ws.send(JSON.stringify({ type: 'resume', epoch: peer.epoch, seq: stored.get(`${peer.node} ${peer.epoch}`) || 0 }));
	});
	ws.on('error', (error) => say({ error: error.message }));
	ws.on('close', (code, reason) => say({ closed: code, reason: reason.toString() }));
	ws.send(JSON.stringify(challenge));
}

const server = makeServer();
const sockets = new WebSocketServer({ server, maxPayload: 1024 * 1024, perMessageDeflate: false,
	verifyClient: ({ req }) => !req.headers.origin,
	handleProtocols: (offered) => (offered.has(PROTOCOL) ? PROTOCOL : false) });
sockets.on('connection', serve);
server.on('tlsClientError', (error) => say({ error: error.message }));
process.stdin.on('end', () => process.exit(0)).resume();
process.on('SIGUSR1', () => sockets.clients.forEach((ws) => ws.terminate()));
server.listen(0, '127.0.0.1', () => process.stdout.write(`listening ${server.address().port}\n`));
