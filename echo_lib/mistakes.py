"""Os enganos de Python mais comuns nas lições: o que houve, a causa provável, o que fazer.

Reconhecem-se pelo tipo da exceção e pelo que o Python diz dela, sempre em inglês. Fonte:
docs.python.org/3/library/exceptions.html.
"""

import builtins
import ipaddress
import re
import socket
import struct
import sys
import threading
import time
import traceback
from difflib import get_close_matches

Texts = tuple[str, str, str]
_Kinds = type[BaseException] | tuple[type[BaseException], ...]

BAD_PORT = (
    "a porta{onde} não é válida.",
    "uma porta é um número inteiro de 0 a 65535, sem aspas.",
    "escreva, por exemplo, ('127.0.0.1', 61840).",
)
_UNKNOWN_NAME = (
    "esse nome ainda não existe neste kernel.",
    "ele está escrito de outro jeito, é um texto a que faltam as aspas, ou a célula que o cria não "
    "foi executada desde que o kernel começou.",
    "confira a escrita; depois, execute as células na ordem, de cima para baixo (menu Executar).",
)
_UNKNOWN_IN_A_PROGRAM = (
    "esse nome não existe neste programa.",
    "ele está escrito de outro jeito (maiúsculas e acentos contam), ou só ganha valor depois.",
    "compare-o com a linha que o cria: um import, um def ou um =.",
)
_OF_A_SOCKET = (
    "esse nome é de um método dos sockets, e sozinho não existe.",
    "faltou dizer de qual socket.",
    "escreva o socket e um ponto antes dele, como em s.settimeout(1) e conn.recv(1024).",
)
_OF_A_VALUE = (
    "esse nome é de um método dos textos, dos bytes ou das listas, e sozinho não existe.",
    "faltou dizer de qual valor.",
    "escreva o valor e um ponto antes dele, como em host.startswith('127.') e lista.append(item).",
)
_CAPITAL = (
    "esse nome não existe: em Python, True, False e None começam com maiúscula.",
    "em outras linguagens, a escrita é outra.",
    "escreva True, False ou None.",
)
_TEXT_AND_BYTES = (
    "texto (str) e bytes não se somam.",
    "o recv devolve bytes, e a outra parte da soma é texto; ou o contrário.",
    "junte bytes com bytes, a começar por dados = b''; o decode vem no fim.",
)
_DEADLINE = (
    "o prazo não foi dado como o socket o espera.",
    "settimeout é um método de cada socket, e não do módulo; recebe entre parênteses só os "
    "segundos, um número sem aspas e sem nome, de 0 em diante.",
    "depois de criar o socket, escreva s.settimeout(1); ou use o timeout=1 de create_connection.",
)
_UNPACKED = (
    "à esquerda do =, ou no for, há mais nomes, ou menos, do que itens no valor.",
    "cada nome fica com um item: o par do accept pede dois, e uma lista, um para cada item; no "
    "for, dão pares enumerate, zip e uma lista de pares.",
    "veja o valor com print e escreva tantos nomes quantos são os itens.",
)
_PACK = (
    "struct.pack ou struct.unpack não entendeu os argumentos.",
    "primeiro vai o formato, entre aspas, com o ! na frente; depois, em pack, um número, e em "
    "unpack, os bytes.",
    "escreva struct.pack('!I', len(dados)), e struct.unpack('!I', quatro_bytes)[0].",
)
_NOT_IN_THE_SOCKET = (
    "um socket não tem o que está depois do ponto.",
    "o nome está escrito de outro jeito; o endereço e a porta não são campos dele.",
    "confira a escrita, que é em inglês: accept, recv, sendall, close. O endereço vem de "
    "s.getsockname(), e a porta, de s.getsockname()[1].",
)
_MANY_STARTS = (
    "startswith recebeu mais de um começo solto.",
    "ele recebe um começo, ou uma tupla; uma lista não, e o segundo argumento é uma posição.",
    'junte os começos numa tupla: host.startswith(("127.", "localhost")).',
)
_NOT_A_NUMBER = (
    "int() lê um número escrito em algarismos, e recebeu outro texto.",
    "o texto é um nome, um endereço, ou o argumento vizinho: na linha de comando, sys.argv[0] é o "
    "nome do programa, e os argumentos começam no [1].",
    "confira o que está entre os parênteses do int, e se %%writefile é a primeira linha da célula.",
)
_COMMA = (
    "um número foi partido em dois por uma vírgula.",
    "no Python, a vírgula separa argumentos; o decimal se escreve com ponto.",
    "escreva 0.2, e não 0,2.",
)
_SYNTAX = "o Python não entendeu o que está escrito, e por isso nada foi executado."
_SYNTAX_IN_A_CELL = (
    "o Python não entendeu o que está escrito, e nada desta célula foi executado: o que ela define "
    "continua como antes, e é isso que uma verificação vê."
)
_SYNTAX_TOO_LATE = (
    "o Python não entendeu o que está escrito, e parou ali; o que vem antes, nesta célula, já foi "
    "executado."
)
_STORED_AS_A_CONDITION = (
    "= guarda um valor num nome, e não serve de condição.",
    "para comparar, use ==; para guardar e testar de uma vez, :=, como em while dados := "
    "conn.recv(1024).",
)
_TWO_MAGICS = (
    "um comando como %%writefile é da célula inteira, e vale uma vez, na primeira linha.",
    "apague esta linha; se o comando faz falta, ele é a primeira da célula, e o único.",
)
_COMMANDS = {"python", "python3", "py", "ipconfig", "ifconfig", "netstat", "ping"}
_OF_A_TERMINAL = (
    "isto é um comando do terminal, e não Python.",
    "uma célula só entende Python; o terminal, comandos como este.",
    "abra um terminal (menu Arquivo → Novo → Terminal) e digite-o lá.",
)
_BARE_HOST = (
    "um endereço como 127.0.0.1, sem aspas, não é um número nem um texto.",
    "ponha-o entre aspas: ('127.0.0.1', 61840).",
)
# Do erro de sintaxe, o que a mensagem diz, a causa e o remédio; vale o primeiro.
_BY_SYNTAX = {
    "expected ':'": (
        "faltam os dois-pontos de um def, if, for, while, with, try, except…",
        "ponha : no fim dessa linha.",
    ),
    "multiple exception types": (
        "dois tipos num except vão numa tupla.",
        "ponha os parênteses: except (TimeoutError, ConnectionError):",
    ),
    "expected 'except'": (
        "depois do bloco de um try vem um except, ou um finally, com o mesmo recuo do try.",
        "escreva-o, ou tire o try.",
    ),
    "indent": (
        "o recuo dessa linha não é o esperado: um bloco começa depois de dois-pontos, e todas as "
        "linhas dele têm o mesmo recuo.",
        "alinhe-a com as do mesmo bloco; use espaços, quatro de cada vez.",
    ),
    "'(return|yield)' outside|outside loop|not properly in loop": (
        "return só existe dentro de um def, e break e continue, dentro de um laço.",
        "confira o recuo dessa linha; num programa, para mostrar, use print.",
    ),
    "'await' outside|asynchronous": (
        "await, e for e with com async, só existem dentro de um async def.",
        "escreva async def; quem a chama usa await, ou asyncio.run.",
    ),
    "bytes can only contain ASCII": (
        "b'…' só aceita letras sem acento, sem ç e sem emojis.",
        'escreva o texto e converta-o: "olá".encode().',
    ),
    "invalid character|non-printable": (
        "um caractere que o Python não usa: aspas curvas (“ ”) ou um espaço especial, de um texto "
        "copiado.",
        "apague-o e digite-o: aspas retas, espaço comum.",
    ),
    "leading zeros": ("um número não começa com zero.", "escreva-o sem o zero, como em 61840."),
    "positional argument follows": (
        "um argumento sem nome vem depois de um com nome, como timeout=1.",
        "ponha primeiro os sem nome.",
    ),
    "string literal": (
        "faltam as aspas que fecham um texto.",
        "feche-as com as mesmas que o abrem.",
    ),
    "never closed|unmatched|does not match|incomplete input|unexpected EOF": (
        "um parêntese, colchete ou chave foi aberto e não fechado, ou o contrário; ou falta o "
        "bloco que continua a última linha, como o except de um try.",
        "conte os que abrem e os que fecham, nessa linha e nas de cima; um try pede um except.",
    ),
    "cannot assign|cannot contain assignment|meant '=='": (
        "= guarda um valor num nome. Comparar é com ==; e um argumento com nome, como timeout=1, "
        "fica nos parênteses da chamada, fora dos do par (host, porta).",
        "veja o que está à esquerda do =, e onde fecha cada parêntese.",
    ),
    "invalid syntax": (
        "falta ou sobra um sinal: vírgula, dois-pontos, parênteses, aspas.",
        "confira essa linha e a de cima.",
    ),
    "": (
        "a que a linha do SyntaxError diz, em inglês, do lugar que o ^ marca.",
        "confira essa linha e a de cima.",
    ),
}

_TAKES = r"(bind|connect|connect_ex|create_server)\(\) takes"
_SOCKET_CALL = r"\.(bind|connect|connect_ex|send|sendall)\(|create_(server|connection)\("
_ADDRESS_TYPE = (
    rf"{_TAKES}|AF_INET|getaddrinfo|interpreted as an integer|bytearray expected|values to unpack"
)
_TEXT_FOR_BYTES = (
    "a operação é entre bytes, e recebeu um texto (str).",
    "do recv vêm bytes, e os métodos deles, como split e startswith, pedem bytes também.",
    "ponha um b antes das aspas, como em dados.split(b'\\n'), ou converta antes: os bytes com "
    "decode, ou o texto com encode.",
)
_NOT_CALLED = (
    "aqui está a própria função, e não o que ela devolve.",
    "faltaram os parênteses da chamada, ou no lugar deles há colchetes.",
    "chame-a com parênteses, como em mensagem.encode() e conn.recv(1024).",
)
# Do tipo, o que a mensagem diz, e os textos; vale o primeiro.
_BY_TYPE: dict[tuple[_Kinds, str], Texts] = {
    (UnicodeDecodeError, "^'utf-?8'"): (
        "estes bytes não formam um texto UTF-8 completo.",
        "um recv pode cortar um caractere no meio (ç, ã e emojis ocupam mais de um byte), ou os "
        "bytes não são texto em UTF-8.",
        "junte todos os bytes antes do decode; ou crie, antes do laço, um decodificador: "
        "codecs.getincrementaldecoder('utf-8')().",
    ),
    (UnicodeDecodeError, ""): (
        "estes bytes não são um texto na codificação que se pediu.",
        "os bytes estão em UTF-8, e o decode, o open ou o makefile usou outra.",
        "use decode() sem nada, que é UTF-8; num arquivo, encoding='utf-8'.",
    ),
    (UnicodeError, ""): (
        "este texto não pode virar bytes.",
        "ele contém um caractere que a codificação não aceita; num nome de máquina, uma parte "
        "vazia ou longa demais.",
        "confira o texto; para mensagens use mensagem.encode(), que é UTF-8.",
    ),
    (OverflowError, "port"): BAD_PORT,
    ((AttributeError, ImportError), "partially initialized|consider renaming"): (
        "o import achou um arquivo seu, e não o módulo do Python.",
        "há nesta pasta um .py com o nome de um módulo, como socket.py.",
        "mude o nome do arquivo; num notebook, reinicie depois o kernel.",
    ),
    (ValueError, "has host bits set"): (
        "esse é o endereço de uma máquina, e ip_network esperava o da rede dela.",
        "no endereço de uma rede, os bits que a máscara não marca são todos zero.",
        "passe também strict=False: ip_network zera esses bits por você.",
    ),
    (ValueError, "was not found in history, as a file"): (
        "o arquivo que o %load pede não está aqui.",
        "o nome está escrito de outro jeito, ou quem dá a aula guardou as respostas.",
        "confira o nome; sem as respostas, siga as pistas da verificação.",
    ),
    (ValueError, r"int\(\) with base \d+: (b'.*|'\\x0.*)(?<!\\)\\x[0-9a-f]{2}"): (
        "int() lê um número escrito em algarismos, e estes bytes não são algarismos.",
        "o tamanho veio em quatro bytes, como os que struct.pack('!I', …) faz.",
        "use struct.unpack('!I', dados)[0], ou int.from_bytes(dados, 'big').",
    ),
    (AttributeError, "no attribute '_?version'"): (
        "uma rede do ipaddress só sabe procurar um ip_address, e recebeu outra coisa.",
        "o endereço é ainda um texto (str).",
        "escreva ipaddress.ip_address(endereço) in rede.",
    ),
    (AttributeError, r"'tuple' object has no attribute '(recv|send|sendall|settimeout)'"): (
        "o accept devolve um par, e não só um socket.",
        "o par tem dois itens: o socket da conversa e o endereço do cliente, nessa ordem.",
        "guarde os dois: conn, addr = s.accept().",
    ),
    (TypeError, r"concatenate str \(not \"bytes\"\)|can't concat str to bytes"): _TEXT_AND_BYTES,
    (TypeError, "expected str instance, bytes found"): _TEXT_AND_BYTES,
    (TypeError, r"recv\(\) (takes at least|missing) 1"): (
        "o recv foi chamado sem dizer quantos bytes quer, no máximo.",
        "os parênteses estão vazios.",
        "escreva, por exemplo, conn.recv(1024).",
    ),
    (TypeError, r"sendall(\(\) takes| expected) at least 1|sendall\(\) missing 1"): (
        "o sendall foi chamado sem o que enviar.",
        "os parênteses estão vazios.",
        "escreva entre eles os bytes: conn.sendall(dados).",
    ),
    (TypeError, r"shutdown\(\) (.*\(0 given|missing 1)"): (
        "o shutdown foi chamado sem dizer o que encerrar.",
        "os parênteses estão vazios.",
        "escreva s.shutdown(socket.SHUT_WR): nada mais se envia, e ainda se recebe.",
    ),
    (AttributeError, r"'\w*[sS]ocket' .* '(SHUT|SOL|SO|AF|SOCK)_"): (
        "esse nome é do módulo socket, e não de cada socket.",
        "antes do ponto está um socket já criado.",
        "escreva o nome do módulo antes do ponto, como em socket.SHUT_WR; se já está assim, é que "
        "um socket seu se chama socket: dê-lhe outro nome.",
    ),
    (AttributeError, "'NoneType' object has no attribute"): (
        "o que está antes do ponto é None, que não tem isso.",
        "ele guardou a resposta de algo que nada devolve: connect, bind, listen, sendall, print, "
        "append (que muda a própria lista), uma função sem return ou uma busca que não achou.",
        "se é de uma função sua, confira o return; se é de connect ou bind, dê uma linha a cada "
        "coisa: s = socket.socket(…), e na seguinte s.connect(…).",
    ),
    (
        AttributeError,
        r"'(str|bytes|bytearray|int|float)' object has no attribute '(encode|decode)'",
    ): (
        "encode é dos textos (str), e decode é dos bytes; este valor é de outro tipo.",
        "um foi posto no lugar do outro, ou a conversão já estava feita.",
        "para enviar, texto.encode(); do que o recv trouxe, dados.decode(). Um número vira texto "
        "com str(número).",
    ),
    (TypeError, "'(tuple|NoneType|int)' object does not support the context manager"): (
        "o with recebeu algo que ele não sabe fechar.",
        "um par não é um socket: nem (host, porta), nem o que o accept devolve. Um número também "
        "não, e bind e connect devolvem None.",
        "crie o socket no with, como em with socket.create_connection((host, porta)) as s; com o "
        "accept, escreva primeiro conn, addr = s.accept(), e depois with conn.",
    ),
    (TypeError, "'type' object does not support the context manager"): (
        "depois do with está a própria classe, e não um objeto dela.",
        "faltaram os parênteses que a chamam.",
        "escreva, por exemplo, with EchoClient(host, porta) as cliente.",
    ),
    (TypeError, "'module' object does not support the context manager"): (
        "depois do with está um módulo inteiro, e não um socket.",
        "faltou dizer qual socket.",
        "escreva with conn, ou crie um ali: with socket.create_connection((host, porta)) as s.",
    ),
    (TypeError, "'bool' object does not support the context|lock' object is not callable"): (
        "a trava não foi usada como se usa.",
        "o nome dela vai sem parênteses; e acquire devolve True, que o with não sabe fechar.",
        "escreva só with trava: o with a pega na entrada e a solta na saída, mesmo com erro.",
    ),
    (RuntimeError, "release un(locked|-acquired) lock"): (
        "a trava foi solta sem que ninguém a tivesse pegado.",
        "há um release a mais: o with já a solta na saída; ou faltou o acquire antes dele.",
        "escreva só with trava, sem acquire nem release.",
    ),
    (
        TypeError,
        "^'NoneType' object is not iterable|of type 'NoneType' is not|iterable, not NoneType",
    ): (
        "o for, o in e o * percorrem itens, e None não os tem.",
        "o nome guardou a resposta de sort, append, extend ou remove, que mudam a própria lista e "
        "nada devolvem; ou a de uma função sem return.",
        "deixe lista.sort() sozinho na linha, sem =; ou use sorted(lista), que faz outra lista.",
    ),
    (TypeError, "'int' object is not iterable"): (
        "o for percorre itens, e um número não os tem.",
        "faltou o range, ou o nome é de um número, e não da lista; ou += somou um número a uma "
        "lista.",
        "para repetir n vezes, escreva for _ in range(n); para pôr um item numa lista, "
        "lista.append(item).",
    ),
    (TypeError, r"'\w*[sS]ocket' object is not iterable"): (
        "um socket é um só, e aqui se esperavam vários itens.",
        "+= e extend juntam a uma lista os itens de outra, e o for percorre uma lista.",
        "para pôr um socket na lista, escreva sala.append(conn); para receber, conn.recv(1024).",
    ),
    (TypeError, "string argument without an encoding"): (
        "bytes() não faz bytes de um texto sem saber em que codificação.",
        "cada codificação o escreve com outros bytes, e nenhuma foi dita.",
        "escreva mensagem.encode(), que é UTF-8.",
    ),
    (TypeError, "indices must be integers or slices, not (Segment|PortUse|Interface)"): (
        "o que está entre colchetes é o próprio item, e não a posição dele.",
        "o for já dá cada item, um por vez.",
        "use o item sem a lista: for s in segmentos, e depois s.flags.",
    ),
    (
        AttributeError,
        "'int' object has no attribute '(flags|seq|ack|data|end|lost|damaged|again|sender|state)'",
    ): (
        "um número não tem o que está depois do ponto.",
        "for i in range(…) dá posições, e não os itens; ou o nome guardou um tamanho.",
        "use o item dessa posição, como em segmentos[i].flags; ou for s in segmentos, e s.flags.",
    ),
    (TypeError, "list indices must be integers or slices, not str"): (
        "o que está entre colchetes é um texto, e os itens de uma lista não têm nome.",
        "numa lista, ali vai a posição; o nome é de um campo de cada item, ou a chave de um "
        "dicionário.",
        "passe por todos: for linha in linhas, e depois linha.state; para usar chaves, o "
        "dicionário começa com {}.",
    ),
    (TypeError, "exceptions must derive from BaseException"): (
        "o raise só lança um erro, e recebeu outra coisa.",
        "um texto é só o que o erro diz: falta o tipo dele em volta.",
        'escreva, por exemplo, raise ConnectionError("o servidor fechou").',
    ),
    (TypeError, "can only concatenate list"): (
        "uma lista só se soma a outra lista.",
        "o + junta duas listas, e de um dos lados está um item.",
        "para pôr um item no fim dela, escreva lista.append(item).",
    ),
    (TypeError, "non-iterable (Segment|PortUse|Interface|int|NoneType) object"): _UNPACKED,
    (TypeError, "'module' object is not callable"): (
        "um módulo inteiro foi chamado, como se fosse uma função.",
        "faltou o que vem depois do ponto; ou há nesta pasta um .py com o nome do módulo, como "
        "socket.py, e o import achou esse.",
        "escreva socket.socket(…); se o arquivo existe, mude o nome dele e reinicie o kernel.",
    ),
    (TypeError, r"settimeout\(\) takes"): _DEADLINE,
    (
        AttributeError,
        "'settimeout' is read-only|'timeout' of .* not writable|'socket' has no.* 'settimeout'",
    ): _DEADLINE,
    (AttributeError, "^module '.*' has no attribute"): (
        "esse módulo não tem o que está depois do ponto.",
        "o nome está escrito de outro jeito (maiúsculas contam: threading.Thread), ou é de um "
        "objeto, e não do módulo: recv é de cada socket.",
        "confira o nome, com a tecla Tab depois do ponto.",
    ),
    (AttributeError, "'(Capture' .* 'sort(ed)?|list' .* 'sorted)'"): (
        "uma captura não tem sort, e nem uma lista tem sorted.",
        "quem põe em ordem o que quer que seja é a função sorted, que faz uma lista nova.",
        "escreva sorted(lista); para segmentos, sorted(segmentos, key=lambda s: s.seq).",
    ),
    (AttributeError, "'(list|Capture)' object has no attribute"): (
        "uma lista, ou uma captura, não tem o que está depois do ponto.",
        "ele pode ser de cada item dela; das listas são append, remove, sort…",
        "passe por todos com for: for item in lista, por exemplo, e use o ponto em cada item.",
    ),
    (AttributeError, r"'\w*[sS]ocket' object has no attribute"): _NOT_IN_THE_SOCKET,
    (TypeError, "(list|tuple) indices must be integers or slices, not tuple"): (
        "o que está entre colchetes é um par, e não uma posição.",
        "o for deu um par, e um nome só o guardou: enumerate dá a posição e o item; uma lista de "
        "pares, o próprio par.",
        "dê um nome a cada um: for i, s in enumerate(…); i é a posição, e s, o item. Na lista de "
        "pares, for endereco, mascara in lista.",
    ),
    (IndexError, "(list|tuple) index out of range"): (
        "não há item nessa posição.",
        "a lista está vazia, ou acaba antes: a primeira posição é a 0, e a última, len(lista) - 1.",
        "percorra-a com for item in lista; ou confira antes, com if lista.",
    ),
    (IndexError, "^(string |bytearray )?index out of range"): (
        "não há letra, ou byte, nessa posição.",
        "o texto (ou os bytes) está vazio, ou acaba antes: a última posição é len(texto) - 1.",
        "confira antes, com if texto; ou use startswith ou endswith, que servem também para um "
        "vazio.",
    ),
    (TypeError, "argument of type '(Segment|PortUse|Interface)' is not (iter|a container)"): (
        "o in procura dentro de um texto ou de uma lista, e recebeu um objeto inteiro.",
        "faltou o campo em que procurar, depois do ponto.",
        'escreva, por exemplo, "FIN" in s.flags; um número se compara com ==.',
    ),
    (TypeError, "'in <string>' requires string as left operand, not tuple"): (
        "o in recebeu os dois lados trocados.",
        "à esquerda vai o que se procura, e à direita, onde.",
        'escreva, por exemplo, "FIN" in s.flags.',
    ),
    (TypeError, "argument of type 'IPv4(Address|Interface)'"): (
        "o in do ipaddress procura numa rede, e recebeu um endereço só.",
        "à direita do in vai uma rede, e à esquerda, um endereço.",
        'a rede é ipaddress.ip_network(f"{endereço}/{máscara}", strict=False).',
    ),
    (TypeError, "^startswith first arg .* not (int|float)"): (
        "o startswith de um texto procura um texto, e recebeu um número.",
        "faltam as aspas.",
        'escreva, por exemplo, host.startswith("127.").',
    ),
    (TypeError, "^startswith first arg .* not list"): _MANY_STARTS,
    (TypeError, r"^(start|end)swith first arg must be bytes .* not str"): _TEXT_FOR_BYTES,
    (KeyError, "is (not|already) registered"): (
        "o selector já vigia esse socket, ou já não o vigia.",
        "register e unregister são uma vez só para cada socket.",
        "chame register quando ele é aceito, e unregister logo antes do close dele.",
    ),
    (KeyError, ""): (
        "o dicionário, ou o conjunto, não tem isso.",
        "nada foi guardado ali com esse nome: a condição que o faria nunca valeu, ele já foi "
        "tirado, ou está escrito de outro jeito.",
        "veja com print o que há; num dicionário, onde a chave pode faltar, use "
        "dicionario.get(chave).",
    ),
    (TypeError, "'(Segment|PortUse|Interface)' object is not subscriptable"): (
        "os campos deste objeto não se leem com colchetes.",
        "ele não é um dicionário: cada campo vem depois de um ponto.",
        "escreva, por exemplo, endereco.address e linha.state.",
    ),
    (TypeError, "(for -=?:|instances of) '(bytes' and 'int|int' and 'bytes)'"): (
        "bytes não são um número: não se comparam com um, nem se subtraem dele.",
        "falta o len, que diz quantos são; ou é um tamanho que chegou em quatro bytes.",
        "escreva len(dados) < n e n - len(dados); de um tamanho, struct.unpack('!I', dados)[0].",
    ),
    (ValueError, "negative buffersize in recv"): (
        "o recv recebeu um número negativo de bytes.",
        "a subtração está ao contrário.",
        "o que falta é n - len(dados).",
    ),
    (ValueError, r"list.remove\(x\)"): (
        "o remove não achou o item: a lista já não o tem.",
        "ele já foi tirado, por outra thread ou numa volta anterior do laço.",
        "tire cada um num lugar só do código; ou, com a trava, confira antes: if conn in sala.",
    ),
    (KeyboardInterrupt, ""): (
        "a célula foi interrompida, na linha da seta.",
        "você a parou (■), ou deu Ctrl+C: ela esperava o que não vinha, ou um laço não acabava.",
        "o que ela já tinha feito continua feito; para recomeçar, execute de novo a célula que "
        "abre os sockets.",
    ),
    (struct.error, "^unpack requires a buffer"): (
        "struct.unpack recebeu mais bytes, ou menos, do que o formato pede.",
        "cada letra tem o seu tamanho, I quatro e H dois; e um recv pode trazer menos do que se "
        "pediu.",
        "junte antes os bytes todos: para '!I', quatro, como em exato(conn, 4).",
    ),
    (struct.error, ""): _PACK,
    ((TypeError, ValueError), r"Struct\(\) argument 1 must|embedded null character"): _PACK,
    (TypeError, r"non-iterable \w*[sS]ocket object"): (
        "um socket é um só, e há dois nomes à esquerda do =.",
        "create_server e create_connection devolvem o socket, e não um par.",
        "guarde-o num nome só; a porta dele é s.getsockname()[1].",
    ),
    (TypeError, r"list indices must be integers or slices, not \w*[sS]ocket"): (
        "o que está entre colchetes não é a posição de um item.",
        "o for já dá o próprio item da lista, e não a posição dele.",
        "use o item sem a lista: for outro in sala, e depois outro.sendall(dados).",
    ),
    (TypeError, r"for \+=?: 'dict' and 'int'"): (
        "um dicionário não se soma a um número.",
        "o número está dentro dele, guardado sob uma chave.",
        'diga a chave: placar["agora"] += 1.',
    ),
    (TypeError, r"for \+=?: 'int' and '(NoneType|bytes)'"): (
        "um número só se soma a outro número.",
        "sendall nada devolve (None), e o que o recv traz são bytes, ainda por contar.",
        "depois do sendall, some quantos foram: total += len(dados).",
    ),
    (
        TypeError,
        r"'(str|tuple|bool|int|float|bytes|list|dict|\w*[sS]ocket)' object is not callable",
    ): (
        "um valor foi chamado, como se fosse uma função.",
        "há parênteses depois de um valor, como em linha.state() e with conn(), ou o nome de uma "
        'função está entre aspas, como em target="atender".',
        "tire os parênteses, ou as aspas.",
    ),
    (AttributeError, "'tuple' object has no attribute"): (
        "um par não tem o que está depois do ponto.",
        "enumerate e accept dão pares, de dois itens, e aqui um nome só guardou o par.",
        "dê um nome a cada item: for i, s in enumerate(…), ou conn, addr = s.accept().",
    ),
    (AttributeError, "'(bytes|str)' object has no attribute '(append|extend)'"): (
        "bytes e textos não têm append nem extend: eles não mudam.",
        "os dois são das listas; de bytes e textos fazem-se outros, maiores.",
        "some o pedaço, dados += parte, a começar por dados = b''; o append pede dados = [].",
    ),
    (
        AttributeError,
        "'(Segment|PortUse|Interface|EchoServer|EchoClient|str|bytes|dict)' object has no attr",
    ): (
        "esse objeto não tem o que está depois do ponto.",
        "o nome está escrito de outro jeito, ou é de outro objeto.",
        "confira o nome, com a tecla Tab depois do ponto.",
    ),
    (TypeError, "can't concat int to bytes"): (
        "um número não se soma a bytes.",
        "um item de bytes, como dados[0], é um número de 0 a 255.",
        "bytes([número]) faz dele um byte; uma fatia, como dados[0:1], já são bytes.",
    ),
    (TypeError, "expected a bytes-like object, int found"): (
        "b''.join junta pedaços de bytes, e recebeu números.",
        "um item de bytes, como dados[0], é um número de 0 a 255.",
        "bytes(lista) faz bytes de uma lista de números.",
    ),
    (TypeError, "'[<>]=?' not supported between instances of 'Segment'"): (
        "não se sabe qual destes segmentos vem antes.",
        "faltou dizer por qual campo ordená-los.",
        "escreva sorted(segmentos, key=lambda s: s.seq).",
    ),
    (TypeError, r"isinstance\(\) arg 2 must|catching classes that do not inherit"): (
        "isinstance e except perguntam por um tipo, e receberam outra coisa.",
        "um código, como errno.EADDRINUSE, é um número; e o nome de um tipo vai sem aspas.",
        "use tipos: isinstance(erro, TimeoutError); mais de um, numa tupla: (TimeoutError, "
        "OSError). Um código se compara com erro.errno.",
    ),
    (ValueError, r"int\(\) with base 10: '.*\..*'"): _NOT_A_NUMBER,
    (ValueError, "does not appear to be an IPv4 or IPv6"): (
        "o ipaddress só lê endereços escritos em números, e recebeu outro texto.",
        "é um nome, como localhost; ou o par inteiro; ou faltou o f antes das aspas; ou a ordem "
        "está trocada.",
        "trate o nome à parte, antes; desfaça o par com for endereço, máscara in …; e escreva a "
        'rede com f, sem espaços: f"{endereço}/{máscara}".',
    ),
    (TypeError, "for -: 'str'"): (
        "- subtrai números, e o que vem antes dele é um texto.",
        "um endereço em texto é uma fila de letras.",
        "deixe a conta com o ipaddress; de um texto de algarismos, int(texto) faz um número.",
    ),
    (ValueError, r"(min|max)\(\) (iterable argument|arg) is"): (
        "min e max escolhem um item, e a lista está vazia.",
        "nenhum item passou pela condição.",
        "confira antes, com if lista; ou diga o que vale nesse caso: min(lista, default=None).",
    ),
    (TypeError, "for &: 'str'"): (
        "& compara os bits de dois números, e isto são textos.",
        "um endereço em texto é uma fila de letras.",
        "deixe a conta com o ipaddress, ou use int(ipaddress.ip_address(endereço)).",
    ),
    (RuntimeError, "can't start new thread"): (
        "o sistema não dá mais threads a este programa.",
        "um laço cria uma a cada volta, sem esperar por nada.",
        "num servidor, o accept, que espera, fica dentro do laço que as cria.",
    ),
    (EOFError, "EOF when reading a line"): (
        "o input não tem quem digite: a entrada acabou.",
        "quem verifica um exercício chama a função sem ninguém ao teclado; num terminal, foi "
        "Ctrl+D ou Ctrl+Z.",
        "use o que o exercício dá no lugar do input: os parâmetros da função ou, num programa, "
        "sys.argv.",
    ),
    (SystemExit, ""): (
        "sys.exit() e exit() encerram o programa; numa thread, só ela.",
        "dentro de uma função, encerram também quem a chamou.",
        "para sair da função, use return.",
    ),
    (RecursionError, ""): (
        "a função chamou a si mesma até o limite do Python.",
        "dentro dela, ou de outra que ela chama, há uma chamada a ela própria: talvez a linha que "
        "era para experimentá-la.",
        "chame-a de fora; para repetir, use while ou for.",
    ),
    (Exception, r"^Line magic function .%\w+. not found \(But cell magic"): (
        "esse comando é da célula inteira, e está com um % só.",
        "os comandos de célula, como %%rastrear e %%writefile, começam por dois.",
        "escreva-o com %%, na primeira linha da célula.",
    ),
    (Exception, r"^Line magic function .%%\w+. not found"): (
        "um comando de célula, como %%writefile, não é a primeira linha dela, e não foi executado.",
        "há algo acima dele, como um comentário ou um import, ou espaços antes do %%.",
        "ponha-o no começo da primeira linha; até lá, o arquivo que ele gravaria é o de antes.",
    ),
    (Exception, r"^Cell magic .%%\w+. not found"): (
        "o Jupyter não conhece esse comando de célula.",
        "o nome tem outra letra, ou uma maiúscula; ou o %%rastrear ainda não foi carregado.",
        "confira o nome; rode a célula do %load_ext echo_lib, no começo da lição, e esta de novo.",
    ),
    (Exception, "is a cell magic, but the cell body is empty"): (
        "a célula só tem a primeira linha, a do comando.",
        "um comando de célula, como %%rastrear, age sobre o código abaixo dele, na mesma célula.",
        "escreva o código nas linhas seguintes, e rode-a de novo.",
    ),
    ((TypeError, AttributeError), "'coroutine' object"): (
        "aqui está a corrotina, e não o que ela devolve.",
        "chamá-la só a cria; quem a executa, e espera, é o await.",
        "ponha o await antes da chamada: servidor = await asyncio.start_server(…).",
    ),
    (TypeError, r"IncrementalDecoder\.decode\(\) missing"): (
        "getincrementaldecoder devolve uma classe, e não um decodificador.",
        "falta criar um: um segundo par de parênteses.",
        "antes do laço, decodificador = codecs.getincrementaldecoder('utf-8')().",
    ),
    (TypeError, "multiple values for argument 'strict'"): (
        "o ip_network recebeu strict duas vezes.",
        "o segundo argumento dele já é strict; a máscara vai no texto, depois de uma barra.",
        'escreva ipaddress.ip_network(f"{endereço}/{máscara}", strict=False).',
    ),
    (TypeError, rf"^(?!.*{_TAKES}).* takes .*positional arguments? but \d+ w"): (
        "a função foi chamada com mais argumentos do que o def dela pede.",
        "a chamada passa algo que o def não recebe; numa thread, quem os passa é args.",
        "compare os parênteses do def com os da chamada.",
    ),
    (TypeError, r"(append|extend|remove)\(\) takes exactly one argument \([1-9]\d* given"): (
        "a função recebe um só argumento, e a chamada passa mais.",
        "append, por exemplo, põe um item por vez.",
        "passe um só; para pôr um par com append, parênteses duplos: lista.append((a, b)).",
    ),
    (TypeError, "object of type 'int' has no len"): (
        "len diz quantos itens há, e um número não os tem.",
        "o próprio número já diz quantos.",
        "escreva n, e não len(n); de bytes e textos, len(dados).",
    ),
    (TypeError, r"instances of ('int' and '\w*[sS]ocket'|'\w*[sS]ocket' and 'int')"): (
        "um socket não se compara com um número.",
        "os argumentos de uma chamada vieram na ordem trocada.",
        "passe-os na ordem do def: em def exato(conn, n), exato(conn, 4).",
    ),
    (StopIteration, ""): (
        "o next não achou item nenhum.",
        "a lista está vazia, ou nenhum item passa pela condição.",
        "diga o que devolver nesse caso: next((s for s in lista if …), None).",
    ),
    (TypeError, "unexpected keyword argument"): (
        "a função chamada não tem um parâmetro com o nome que está antes do =.",
        "o nome está escrito de outro jeito, ou é de outra função.",
        "confira os parâmetros com help, como em help(socket.create_connection).",
    ),
    (
        TypeError,
        r"^(?!a bytes-like).*('|non-iterable )(builtin_function_or_method|method|function)('| ob)",
    ): _NOT_CALLED,
    (AttributeError, "'(builtin_function_or_method|method|function)' object has no"): _NOT_CALLED,
    ((TypeError, ValueError), "a coroutine (was expected|or an awaitable is req)"): (
        "o asyncio esperava uma corrotina, e recebeu outra coisa.",
        "faltaram os parênteses da chamada, ou o async antes do def.",
        "escreva asyncio.run(main()), com async def main(); só o que é async se espera.",
    ),
    (AssertionError, "group argument must be None"): (
        "o Thread não entendeu os argumentos: o primeiro, sem nome, não é a função.",
        "a função e os argumentos dela vão com nome.",
        "escreva threading.Thread(target=atender, args=(conn,)).",
    ),
    (AssertionError, "."): (
        "o assert confere uma condição, e desta vez ela não valia.",
        "o texto depois de AssertionError diz qual.",
        "faça o que o texto pede, ou veja com print os valores que a condição compara.",
    ),
    (UnboundLocalError, "cannot access local variable '(e|ex|exc|err|erro|error)'"): (
        "esse nome já não existe: o Python o apaga quando o except acaba.",
        "é o nome depois do as, em except … as erro.",
        "guarde o erro em outro nome dentro do except, ou use raise ali mesmo.",
    ),
    (UnboundLocalError, ""): (
        "esse nome é usado, dentro da função, antes de ter um valor.",
        "+= soma ao que já havia, e não havia nada; ou quem lhe daria o valor não foi executado; "
        "ou é o nome depois do as de um except, que o Python apaga. Um nome igual fora da função é "
        "outro.",
        "dê-lhe um valor antes do laço, como em dados = b''; quem fecha um socket que talvez nem "
        "se tenha criado é o with.",
    ),
    (RuntimeError, "No active exception to reraise"): (
        "o raise, sozinho, repete o erro que se trata, e aqui não há nenhum.",
        "ele está fora do except.",
        "ponha o raise dentro do except, na última tentativa.",
    ),
    (TypeError, r"(argument|Value) after \* must be an iterable, not \w*[sS]ocket"): (
        "os argumentos da thread não são uma tupla.",
        "(conn), sem vírgula, é só o próprio conn.",
        "escreva args=(conn,): é a vírgula que faz a tupla de um item.",
    ),
}
# De um TypeError, ou ValueError, que não está ali, o que a mensagem diz, a linha em que nasceu, e
# os textos; vale o primeiro.
_BY_LINE: dict[tuple[str, str], Texts] = {
    ("interpreted as an int|must be real number|out of range", r"settimeout\("): _DEADLINE,
    ("interpreted as an int", r"listen\("): (
        "o listen espera um número inteiro, ou nada, e recebeu outra coisa.",
        "o número é o tamanho da fila; host e porta são do bind.",
        "escreva s.listen(), com os parênteses vazios.",
    ),
    ("interpreted as an integer", r"shutdown\("): (
        "o shutdown espera uma das constantes do módulo socket, e recebeu outra coisa.",
        "o nome dela vai sem aspas.",
        "escreva s.shutdown(socket.SHUT_WR): nada mais se envia, e ainda se recebe.",
    ),
    ("interpreted as an integer", r"range\("): (
        "o range conta até um número, e recebeu outra coisa.",
        "ele recebeu a própria lista, um texto ou um float; numa função, talvez os parâmetros "
        "estejam fora de ordem.",
        "escreva range(len(lista)); com o índice e o item, for i, item in enumerate(lista).",
    ),
    ("slice indices must be integers", r"startswith\("): _MANY_STARTS,
    ("base 10: 'localhost'", r"split\(['\"]\."): (
        "int() lê um número escrito em algarismos, e recebeu um nome.",
        "um host pode vir em números, como 127.0.0.1, ou ser um nome, como localhost.",
        'trate o nome à parte, antes do int: if host == "localhost".',
    ),
    ("base 10: 'localhost'", ""): _NOT_A_NUMBER,
    ("values to unpack", r"sys\.argv"): (
        "à esquerda do = há mais nomes, ou menos, do que itens à direita.",
        "sys.argv começa pelo nome do programa, que é o item [0]; numa célula sem %%writefile, é o "
        "do próprio Jupyter.",
        "diga tantos quantos são os nomes: host, porta = sys.argv[1:3], ou, para três, "
        "sys.argv[1:4]; e confira se %%writefile é a primeira linha da célula.",
    ),
    ("values to unpack", rf"(?s)^(?!.*({_SOCKET_CALL}))"): _UNPACKED,
    ("'(str|float|tuple)' object cannot be interp", r"\.recv\("): (
        "o recv espera um número inteiro de bytes, e recebeu outra coisa.",
        "um texto, um float, ou a tupla que struct.unpack devolve mesmo para um número só.",
        "escreva o número sem aspas, como em conn.recv(1024); de unpack, use o item [0].",
    ),
    ("bytes-like object is required, not 'tuple'", r"\.(bind|connect|connect_ex)\("): (
        "este socket não é de TCP, e o endereço dele não é um par.",
        "quem o criou trocou a ordem, ou pôs outra família: ela vem primeiro.",
        "escreva socket.socket(socket.AF_INET, socket.SOCK_STREAM), ou só socket.socket().",
    ),
    (
        r"[sS]ocket\.\w+\(\) missing 1 required pos|^descriptor '\w+' (for|of) '_socket",
        r"\.\w+\([^)]",
    ): (
        "antes do ponto está a classe, e não um socket.",
        "ao criá-lo, faltaram os parênteses: s = socket.socket guarda a classe.",
        "escreva s = socket.socket(socket.AF_INET, socket.SOCK_STREAM), ou só socket.socket().",
    ),
    (r"missing \d+ required (positional|keyword-only) argument", ""): (
        "a função foi chamada sem um dos argumentos que o def dela pede.",
        "o def pede mais argumentos do que a chamada passa; numa thread, quem os passa é args.",
        "compare os parênteses do def com os da chamada.",
    ),
    (_ADDRESS_TYPE, rf"(?s)^(?!.*\.send(all)?\().*({_SOCKET_CALL})"): (
        "o endereço não tem a forma que o socket espera.",
        "bind, connect, create_server e create_connection recebem o endereço num só argumento: o "
        "par (host, porta), nesta ordem, com o host entre aspas e a porta como número inteiro de 0 "
        "a 65535.",
        "escreva com parênteses duplos: s.bind((host, porta)), ou s.connect((host, porta)). Uma "
        "porta que veio em texto vira número com int(porta).",
    ),
    (
        "^'bytes' object cannot be interpreted as an integer",
        r"\.send(all)?\((?:[^()\[\],]|\([^()]*\)|\[[^\[\]]*\])+,",
    ): (
        "o sendall envia um valor só, e recebeu dois.",
        "há uma vírgula entre as partes do que se envia.",
        "junte-as com +, como em conn.sendall(tamanho + dados).",
    ),
    ("not 'bool'", _SOCKET_CALL): (
        "o socket só envia bytes, e recebeu True ou False.",
        "é o resultado de uma comparação: em dados := conn.recv(1024) != b'', ela vem primeiro.",
        "tire o != b'', que while já faz; ou ponha os parênteses: (dados := conn.recv(1024)) != "
        "b''.",
    ),
    (r"bytes-like object.*\bstr\b", _SOCKET_CALL): (
        "o socket só envia bytes, e recebeu texto.",
        "faltou o encode: texto (str) precisa virar bytes antes de viajar.",
        "escreva s.sendall(mensagem.encode()).",
    ),
    ("bytes-like object", _SOCKET_CALL): (
        "o socket só envia bytes, e recebeu outra coisa.",
        "faltaram os parênteses de uma chamada, como em dados.upper(), ou o valor não é nem texto.",
        "veja com print o que está entre os parênteses do sendall: deve começar por b'.",
    ),
    ("a bytes-like object, str found", ""): _TEXT_AND_BYTES,
    ("bytes-like object is required, not 'str'", "(?s)."): _TEXT_FOR_BYTES,
}

# De quem quer outra coisa, e não escreveu errado o método parecido.
_NOT_A_SLIP = {"disconnect", "closed", "connected", "listening", "accepted"}
_NEAR = 0.8  # de 0 a 1: o quanto dois nomes se parecem, para um ser o outro mal escrito
_VERY_NEAR = 0.85
_SHORT = 2  # letras: um i está dentro de muitos nomes
_DECIMAL_COMMA = re.compile(r"(sleep|settimeout|wait)\(\d+,\d+\)|timeout ?= ?\d+,\d")
_MODULES = (socket, struct, threading, time, ipaddress)  # os das lições
# Quem escreve um destes pensa na variável, como a do except … as error.
_NOT_OF_A_MODULE = {"error", "timeout", "local", "__file__", "__name__"}
_KIT = {"checks", "progress", "EchoClient", "EchoServer", "ClientPanel", "ServerPanel", "Trace"}
_METHODS = {"startswith", "endswith", "split", "decode", "encode", "append", "upper", "rstrip"}


def explained(exc: BaseException, line: str = "") -> Texts | None:
    """O que houve, a causa e o remédio de um engano; None, se não é um destes.

    Argumentos:
        exc: a exceção.
        line: a linha de outro programa em que ela nasceu, se só se tem o traceback escrito.
    """
    lines = line or last_lines(exc)
    if isinstance(exc, NameError) and not isinstance(exc, UnboundLocalError):
        named = _texts_of_a_name(str(exc), lines, in_a_program=bool(line))
        unknown = named in (_UNKNOWN_NAME, _UNKNOWN_IN_A_PROGRAM)
        like = unknown and (_parameter_like(exc) or _name_like(exc, in_a_program=bool(line)))
        return like or named
    if isinstance(exc, SyntaxError):
        cause, remedy = next(
            texts for said, texts in _BY_SYNTAX.items() if re.search(said, str(exc))
        )
        if _DECIMAL_COMMA.search(exc.text or ""):
            cause, remedy = _COMMA[1:]
        elif (exc.text or "").lstrip().startswith("%%"):
            cause, remedy = _TWO_MAGICS
        elif "or ':='" in str(exc) and re.match(r"\s*(if|elif|while)\b", exc.text or ""):
            cause, remedy = _STORED_AS_A_CONDITION
        elif _COMMANDS & {*(exc.text or "").split()[:1]} and _never_ran(exc):
            return _OF_A_TERMINAL
        elif re.search(r"[(,=]\s*\d+(\.\d+){3}", exc.text or ""):
            cause, remedy = _BARE_HOST
        happened = _SYNTAX_IN_A_CELL if _never_ran(exc) else _SYNTAX
        if _never_ran(exc) and "outside" in str(exc) and exc.offset == 1 and (exc.lineno or 0) > 1:
            # Só se vê ao compilar, o que o IPython faz passo a passo; o %%rastrear, antes de tudo.
            steps = traceback.extract_tb(exc.__traceback__)
            if not any(step.filename.endswith("magics.py") for step in steps):
                happened = _SYNTAX_TOO_LATE
        return happened, cause, remedy
    if isinstance(exc, TypeError) and _DECIMAL_COMMA.search(lines):
        return _COMMA
    if isinstance(exc, AttributeError) and (texts := _texts_of_a_method(str(exc))):
        return texts
    for (kind, said), texts in _BY_TYPE.items():
        if isinstance(exc, kind) and re.search(said, str(exc)):
            return texts
    if isinstance(exc, (TypeError, ValueError)):
        for (said, where), texts in _BY_LINE.items():
            if re.search(said, str(exc)) and re.search(where, lines):
                return texts
    return None


def _texts_of_a_method(said: str) -> Texts | None:
    """Os textos de um método escrito de outro jeito, com o nome parecido que existe."""
    if other := re.search(r"'(str|bytes|list)' object has no attribute '(\w+)'", said):
        kind = getattr(builtins, other[1])
        if hasattr(kind, right := other[2].lower()):  # startsWith
            return "esse método não existe.", "as maiúsculas contam.", f"escreva {right}."
    found = re.search(r"[sS]ocket' object has no attribute '(\w+)'", said)
    if not found or found[1] in _NOT_A_SLIP:
        return None
    methods = [name for name in dir(socket.socket) if not name.startswith("_")]
    near = get_close_matches(found[1].lower(), methods, 1, _NEAR)
    if not near:
        return None
    return _NOT_IN_THE_SOCKET[0], "o nome está escrito de outro jeito.", f"escreva {near[0]}."


def _never_ran(exc: SyntaxError) -> bool:
    """Se quem achou o erro foi o compilador das células, antes de executar, e não um import."""
    steps = traceback.extract_tb(exc.__traceback__)
    return bool(steps) and steps[-1].filename.endswith(("compilerop.py", "codeop.py"))


def _texts_of_a_name(said: str, lines: str, in_a_program: bool) -> Texts:
    """Os textos de um nome que não existe: o de um módulo, o que vem depois de um ponto, outro."""
    found = re.search("name '(.+?)'", said)
    name = found[1] if found else ""
    if name in sys.stdlib_module_names:
        return _not_imported(f"import {name}", in_a_program)
    alone = re.search(rf"(?m)^\s*{name}\b(?!\s*[=.(])", lines)
    if name in _COMMANDS and alone and not in_a_program:
        return _OF_A_TERMINAL
    if name in _KIT:
        return _not_imported(f"from echo_lib import {name}", in_a_program)
    if callable(getattr(socket.socket, name, None)):
        return _OF_A_SOCKET
    if name in ("true", "false", "none", "null"):
        return _CAPITAL
    if name in _METHODS:
        return _OF_A_VALUE
    for module in _MODULES:
        if name in getattr(module, "__all__", dir(module)) and name not in _NOT_OF_A_MODULE:
            return (
                f"esse nome é do módulo {module.__name__}, e sozinho não existe.",
                "faltou dizer de onde ele vem.",
                "escreva o nome do módulo e um ponto antes dele, como em "
                f"{module.__name__}.{name}.",
            )
    return _UNKNOWN_IN_A_PROGRAM if in_a_program else _UNKNOWN_NAME


def _parameter_like(exc: NameError) -> Texts | None:
    """Os textos de quem escreveu `porta` numa função que recebe `minha_porta`."""
    words, code = {*(exc.name or "").split("_")}, None
    for frame, _ in traceback.walk_tb(exc.__traceback__):
        code = frame.f_code
    for other in code.co_varnames[: code.co_argcount] if code else ():
        if {word for word in words & {*other.split("_")} if len(word) > _SHORT}:
            return (
                f"esse nome não existe; o que esta função recebe é {other}.",
                "o nome usado e o que está entre os parênteses do def são diferentes.",
                f"escreva {other}, ou mude o def.",
            )
    return None


def _name_like(exc: NameError, in_a_program: bool) -> Texts | None:
    """Os textos de quem escreveu `ipadress`, se há um nome parecido ali, ou no Python."""
    found = re.search("name '(.+?)'", str(exc))
    if not found or found[1] in _NOT_OF_A_MODULE:
        return None
    known = {name for name in dir(builtins) if name[0].isupper()}  # as exceções
    known |= {module.__name__ for module in _MODULES}
    for frame, _ in [*traceback.walk_tb(exc.__traceback__)][-1:]:
        known |= {*frame.f_locals, *frame.f_globals}
    near = get_close_matches(found[1], known, 1, _VERY_NEAR)
    if not near:
        return None
    late = "a célula que o cria não foi executada desde que o kernel começou"
    first = "execute antes a célula que o cria"
    if in_a_program:
        late, first = "só ganha valor depois", "dê-lhe antes um valor"
    return (
        f"esse nome não existe; há um parecido, {near[0]}.",
        f"ele está escrito de outro jeito, ou {late}.",
        f"se era {near[0]}, escreva assim; se não, {first}.",
    )


def _not_imported(line: str, in_a_program: bool) -> Texts:
    """Os textos de quem não foi importado, com a linha que o importa."""
    happened = "esse nome é de um import que não foi feito."
    if in_a_program:
        return happened, "faltou a linha dele.", f"escreva {line} no começo do programa."
    return (
        happened,
        "faltou a linha dele, ou a célula dela não foi executada desde que o kernel começou.",
        f"execute a célula que tem {line}; se não há uma, escreva-o.",
    )


def last_lines(exc: BaseException) -> str:
    """As linhas de código onde a exceção nasceu; de um socket rastreado, duas não são do aluno."""
    return "\n".join(frame.line or "" for frame in traceback.extract_tb(exc.__traceback__)[-3:])
