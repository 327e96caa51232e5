"""Cliente de eco do tutorial: envia o que você digita e mostra o que o servidor devolve.

Uso: python cliente.py [host] [porta]      (sair encerra)
"""

import socket
import sys

HOST = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
PORTA = sys.argv[2] if len(sys.argv) > 2 else "61840"
PRAZO = 5.0  # segundos de espera por uma resposta


def receber(s, tamanho):
    """Recebe até juntar `tamanho` bytes: um recv pode trazer só uma parte."""
    dados = b""
    while len(dados) < tamanho:
        parte = s.recv(1024)
        if not parte:  # b"": o servidor fechou a conexão
            raise ConnectionError("o servidor fechou a conexão")
        dados += parte
    return dados


def conversar(s):
    """Envia cada mensagem digitada e mostra o eco, até “sair”."""
    while True:
        mensagem = input("Mensagem: ")
        if mensagem == "sair":
            break
        if not mensagem:  # uma mensagem vazia não tem bytes: não haveria eco a esperar
            continue
        s.sendall(mensagem.encode())
        dados = receber(s, len(mensagem.encode()))
        if dados != mensagem.encode():  # quem escuta nessa porta é outro programa
            raise ConnectionError("o que voltou não é um eco")
        print("Eco:", dados.decode())


def main():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        s.settimeout(PRAZO)
        s.connect((HOST, int(PORTA)))
        print(f"Conectado a {HOST}:{PORTA}. Digite sair para encerrar.")
        conversar(s)


if __name__ == "__main__":  # quando este arquivo é o programa, e não num import
    try:
        main()
    except (KeyboardInterrupt, EOFError):
        print()
    except ConnectionRefusedError:
        sys.exit(f"Ninguém escuta em {HOST}:{PORTA}. O servidor já foi iniciado, e nessa máquina?")
    except TimeoutError:
        sys.exit(f"Nada voltou de {HOST}:{PORTA} em {PRAZO:g} s: servidor ocupado, ou firewall?")
    except socket.gaierror:
        sys.exit(f"Não achei {HOST!r}. Confira; a porta vem depois de um espaço: 127.0.0.1 61840")
    except (OSError, UnicodeError) as erro:  # UnicodeError: o que se digitou não é texto
        sys.exit(f"A conversa com {HOST}:{PORTA} falhou: {erro}.")
    except (ValueError, OverflowError):
        sys.exit(f"A porta deve ser um número de 1 a 65535; recebi {PORTA!r}.")
    print("Conexão encerrada.")
