# 通知書と受領簿。

letters-title = 業務アプリ「玉手箱」端末登録のご案内
letters-lead = お使いの端末を業務アプリ「玉手箱」に登録するための通知書です。下のコードはご本人だけのものです。
letters-addressee = { $name } 様
letters-staff-number = 職員番号
letters-name = 氏名
letters-no-department = (所属なし)
letters-code = アクティベーションコード
letters-scan = カメラでは読み取らないでください
letters-server = サーバーのアドレス
letters-valid-until = { $time }まで使えます
letters-steps = 登録の手順
letters-step-app = アプリ「玉手箱」を端末で開き、はじめの説明を確かめます。
letters-step-app-from = アプリ「玉手箱」を端末に入れて開き、はじめの説明を確かめます。入手先: { $place }
letters-step-code = サーバーのアドレスとアクティベーションコードを入力します。
letters-step-pin = PINを決めて2回入力します。PINは誰にも教えず、この通知書にも書かないでください。
letters-short-app = アプリ「玉手箱」を端末で開く
letters-short-code = サーバーのアドレスと下のコードを入力する
letters-short-pin = PINを決めて2回入力する
letters-promise = 個人のデータには触れません
letters-promise-erase = 消去されるのはこのアプリの中のデータだけです。写真や連絡先など、個人のデータには触れません。
letters-promise-unseen = このアプリからは見えないもの: 端末の写真、連絡先、通話、位置情報、ほかのアプリの内容。
letters-promise-seen = 所属組織から見えるもの: 端末の機種とアプリのバージョン、接続した日時と接続元、PINを間違えた回数。
letters-promise-kept = アプリの中の文書やノートは業務のデータで、所属組織のサーバーにも保管されます。
letters-short-promise = 消去されるのはこのアプリの中のデータだけです。写真や連絡先など、個人のデータには触れません。位置情報、通話、ほかのアプリの内容は見えません。
letters-secret = コードを知っている人は、ご本人になりすまして端末を登録できます。ほかの人に見せず、登録が終わったらこの通知書は裁断してください。
letters-helpdesk = お問い合わせ・紛失の連絡: { $place }

letters-cover = 受領簿
letters-cover-about = 通知書を本人に渡し、受け取った日と印または署名をもらってください。渡せなかった通知書は、この受領簿と一緒に返してください。
letters-cover-count = { $count }人
letters-cover-place = 番号
letters-cover-day = 受領日
letters-cover-seal = 受領印・署名
letters-cover-printed = { $day } 印刷
letters-cover-handed-by = 配布した人:

letters-substitutes = 手書きで直す氏名・所属
letters-substitutes-about = 次の人の通知書と受領簿には、フォントにない文字があります。「〓」か近い字で印刷していますので、渡す前に手書きで直してください。
letters-substitutes-characters = 印刷できない文字

letters-page = 通知書(PDF)
letters-page-about = 一人ずつの通知書を所属ごとに印刷します。各所属の先頭に受領簿が付きます。
letters-layout = 用紙
letters-layout-one = A4に1人
letters-layout-one-about = 三つ折りにして渡せます。
letters-layout-ten = A4に10人
letters-layout-ten-about = 線に沿って切り分けて渡します。
letters-language = 通知書の言葉
letters-do = 通知書を作る
letters-unfit = { $count }人の氏名か所属に、フォントにない文字があります。「〓」か近い字で印刷し、最初のページに一覧を付けます。
letters-unfit-agree = フォントにない文字を置き換えて印刷する
letters-font = 今は通知書を作れません。サーバーに日本語のフォントがないか、設定したフォントを使えません。サーバーの担当者に、フォント(Debianでは fonts-noto-cjk)を入れるか、設定の [letters] を直すよう伝えてください。CSVは書き出せます。

letters-lost-title = 端末の紛失の連絡
letters-lost-lead = 端末をなくしたときは、通知書から切り取った紛失連絡コードを入力してください。サインインは要りません。端末の利用を停止します。
letters-lost-code = 紛失連絡コード
letters-lost-code-hint = 英字と数字の17文字です。ハイフンと、大文字小文字の違いは気にせず入力できます。
letters-lost-do = 利用を停止する
letters-lost-only = できるのは利用停止だけです。データは消去しません。見つかったときは、所属組織の担当者が停止を解除できます。
letters-lost-blocked = 利用を停止しました
letters-lost-blocked-about = サーバーは、この端末を開く手助けをしなくなりました。オフライン利用の期限が残っている間は、まだ開ける可能性があります。所属組織の担当者にも連絡してください。消去できるのは担当者だけです。
letters-lost-nothing = 新しく停止した端末はありません
letters-lost-nothing-about = コードの打ち間違い、新しい通知書で替わった古いコード、すでに停止した端末などの場合です。どの場合かは、安全のためお伝えしません。コードを確かめてもう一度入力するか、所属組織の担当者に連絡してください。
letters-lost-wait = 端末は停止していません
letters-lost-wait-about = 停止につながらない入力が、同じ場所から続いています。紛失連絡コードを確かめて入力するか、所属組織の担当者に連絡してください。有効なコードは、待たずに受け付けます。
letters-lost-keep = 切り取って、端末とは別に保管してください。端末をなくしたら、次のページに入力すると利用を停止できます。サインインは要りません。
