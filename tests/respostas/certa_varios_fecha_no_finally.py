"""Verificação: one_after_another"""


def resposta(s, n):
    atendidos = 0
    while atendidos < n:
        conn, _ = s.accept()
        atendidos += 1
        try:
            while True:
                dados = conn.recv(4096)
                if dados == b"":
                    break
                conn.sendall(dados)
        except ConnectionResetError:
            pass
        except BrokenPipeError:
            pass
        finally:
            conn.close()
