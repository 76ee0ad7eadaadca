// The lightest server that Node can be: what is measured against it is the price of everything else. CommonJS, because
// `import` of node:http reads all its exports, the lazy ones too, and so loads undici: 12 MB that no server needs.
const { createServer } = require('node:http');

createServer((_request, response) => response.end('ok\n')).listen(Number(process.argv[2]), '127.0.0.1');
