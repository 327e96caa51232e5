import socket
import sys

host, porta, mensagem = sys.argv[1:4]
with socket.create_connection((host, int(porta)), timeout=5) as s:
    s.sendall(mensagem.encode())
    s.shutdown(socket.SHUT_WR)
    dados = b""
    while parte := s.recv(1024):
        dados += parte
print(dados.decode())
