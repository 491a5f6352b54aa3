"""English customers."""

from bank_simulator.messages.languages.base import Language, listed, phrases_of

__all__ = ["ENGLISH"]

TOPICS = """
# card_lost
- lost my card, block it
- card stolen in {city}
- cant find my card ending {digits}
. I lost my card ending in {digits} somewhere in {city} on {date}.
. My purse was stolen on {date} and my bank card was in it.
. I cannot find my card any more; the last time I used it was at {merchant}.
? Please block the card and send me a new one.
? Can you stop the card right away?
# card_declined
- card declined at {merchant}
- payment of {amount} didnt go through
- card refused again, enough money on the account
. My card was declined at {merchant} although there is enough money on my account.
. On {date} I could not pay {amount} at {merchant}, the terminal refused my card.
. The payment of {amount} did not go through, and at {merchant} I was told that the bank had blocked it.
? Why was the payment refused?
? Please make sure that my card works again.
# pin
- forgot my pin
- pin wrong 3 times, card blocked
- need a new pin
. I have forgotten the PIN of my card ending in {digits}.
. I typed the wrong PIN three times at the cash machine and now everything is blocked.
. The letter with the PIN for my new card has not come.
? Can I get a new PIN?
? How can I choose a PIN of my own?
# card_delivery
- where is my new card
- new card not here yet
- card expires soon, no new one
. My card expires this month and the new one has not arrived.
. You told me on {date} that a new card was on its way, but nothing has come in the post.
. I have moved to {city} and am afraid that the new card was sent to my old address.
? When will the card be here?
? Could you check where it was sent?
# card_abroad
- does my card work in {city}
- card not working abroad
- fee of {amount} for paying abroad
. We are going on holiday to {city} and I want to be sure that I can pay with my card there.
. I am travelling at the moment and the cash machine in {city} does not accept my card.
. You charged me a fee of {amount} for using my card abroad.
? Do I have to unlock the card for other countries?
? Which fees do I pay when I use it abroad?
# card_limit
- raise my card limit
- limit too low for {amount}
- how high is my limit
. I need to pay {amount} at {merchant} and the limit of my card is too low.
. The limit of my credit card was cut on {date} without a word.
. I would like to have a higher limit for one month.
? Please raise the limit.
? What do you need from me for a higher limit?
# charged_twice
- charged twice by {merchant}
- {amount} debited 2x
- double booking {merchant}
. {merchant} has charged me {amount} twice.
. On my statement the payment of {amount} to {merchant} of {date} appears two times.
. I paid {amount} once, but the money was taken from my account twice.
? Please pay one of the two back.
? Can you get the second amount back?
# transfer_missing
- transfer of {amount} not arrived
- payment didnt go through, where is my money
- sent {amount} on {date}, nothing there
. I sent {amount} to {person} on {date} and the money has not arrived.
. A transfer of {amount} has left my account, but {person} says that nothing came.
. My employer paid my salary on {date}, and it is still not on my account.
? Where is the money?
? Please find out what happened to the transfer.
# direct_debit
- direct debit {merchant} returned
- stop debit from {merchant}
- {merchant} took {amount} by direct debit
. {merchant} has taken {amount} by direct debit, though I cancelled the contract.
. A direct debit of {merchant} was returned on {date} although there was enough money on my account.
. I gave no mandate to {merchant}, yet {amount} was debited on {date}.
? Please return the direct debit.
? How can I block debits of this company?
# standing_order
- change standing order for rent
- standing order not executed
- stop standing order of {amount}
. My standing order for the rent was not executed on {date}.
. I want my standing order to be {amount} from now on.
. The standing order to {person} was carried out although I had deleted it in the app.
? Please change the standing order.
? Can you tell me why it was not executed?
# wrong_recipient
- sent money to the wrong account
- wrong iban, need {amount} back
- transfer to wrong person
. I made a mistake in the IBAN and sent {amount} to somebody I do not know.
. On {date} I transferred {amount} to the wrong {person}.
. The transfer of {amount} went to an old account of {person}, which is closed.
? Can you call the money back?
? How do I get my money back?
# foreign_transfer
- swift fee too high
- how long does a transfer to {city} take
- need bic for transfer from abroad
. I want to send {amount} to an account in {city} and need to know the fees.
. The transfer abroad of {date} arrived with {amount} less than I had sent.
. For a payment from another country I am asked for a BIC and for your address.
? How long does a transfer abroad take?
? What exchange rate do you use?
# refund
- refund from {merchant} not there
- where is my refund of {amount}
- {merchant} says money was sent back
. I returned something to {merchant} and the refund of {amount} is not on my account.
. {merchant} says that the refund was made on {date}, but I do not see it.
. The trip that I paid by card was cancelled and the {amount} has not come back.
? When will the refund be booked?
? Can you see whether the money is on its way?
# statement
- need my statements
- statement missing
- no bank statement this month
. I need the statements of the last year for the authorities.
. My statement of this month is not in my mailbox.
. The balance on my statement does not agree with the one in the app.
? Please send me the statement on paper.
? Where do I find older statements?
# address
- new address
- moved to {city}
- changed my name, wedding
. I have moved to {city} and my address has to be changed.
. I got married on {date} and have a new name.
. My telephone number and e-mail address have changed.
? Please change my details.
? Which papers do you need?
# tax_certificate
- tax certificate please
- need the tax form for last year
- exemption order
. I need the tax certificate of last year for my tax return.
. My tax adviser is asking for the certificate of interest and capital gains.
. You withheld tax of {amount} although I sent you an exemption order.
? When will the certificate be sent?
? Please send me the certificate again.
# close_account
- close my account
- cancel account, going to another bank
- how to close the account
. I want to close my account at the end of the month.
. My mother died on {date} and her account has to be closed.
. I am changing to another bank and no longer need my account with you.
? Please confirm that the account is closed.
? What happens to the money that is left on it?
# new_account
- open account for my son
- joint account possible
- second account for savings
. I would like to open a savings account for my daughter.
. My wife and I want to have a joint account.
. I applied for an account on {date} and have heard nothing since.
? Which papers do we need for it?
? How long does it take?
# fees
- why {amount} fee
- account fee too high
- fees charged again
. You have charged me {amount} in account fees on {date}.
. Your new price list says that my account will cost {amount}.
. I was told that the account and the card are free, and now there is a fee.
? Please explain what the fee is for.
? I want the fee back.
# login
- cant log in
- password not accepted
- locked out of online banking
. I cannot log in to online banking any more, my password is not accepted.
. Since {date} my access is blocked after three attempts.
. I have forgotten my user name for online banking.
? Please unlock my access.
? How do I reset the password?
# app_crash
- app crashes all the time
- app doesnt open after update
- error in app when i pay
. Since the update of {date} the app closes as soon as I open it.
. The app shows an error when I want to make a transfer.
. The app does not show my account and my card any more.
? When will that be repaired?
? What can I do so that the app works?
# tan
- no tan arrives
- sms code not coming
- tan invalid
. I do not receive the TAN for my transfer of {amount}.
. The code that comes by text message is always refused as invalid.
. My TAN device shows an error since {date}.
? How do I get a TAN that works?
? Can you send the code another way?
# new_phone
- new phone, app not activated
- how to move app to new phone
- new number for sms
. I have a new phone and cannot activate the app on it.
. My old phone with the app is broken, and I need it to approve a payment.
. The activation letter for my phone, promised on {date}, has not arrived.
? How do I activate the new phone?
? Please send me a new activation code.
# unknown_charge
- dont know this charge of {amount}
- {amount} at {merchant} not me
- who took {amount}
. On {date} there is a payment of {amount} to {merchant} that I did not make.
. I do not know the charge of {amount} on my card.
. Somebody paid with my card in {city}, and I have never been there.
? Please block the card and give me my money back.
? What do I do about a payment that I did not make?
# phishing
- got a fake mail from you
- clicked a link, is it fraud
- sms with link, real?
. I received an e-mail in your name that asks me for my password and card number.
. I clicked on a link in a text message and typed in my password before I noticed.
. A strange site that looks like your online banking asked me for a TAN.
? Is this message really from you?
? Please check whether something was stolen from my account.
# scam_call
- caller said he is from the bank
- gave code on the phone
- scammer called me
. A man called who said that he worked for your security department and wanted a TAN.
. I was talked into a transfer of {amount} on the phone, and now I think it was fraud.
. Somebody wrote to me as my daughter with a new number and I sent {amount}.
? Please stop the transfer if you can.
? Do I have to go to the police?
# mortgage
- rate for a mortgage
- mortgage offer
- loan for a house in {city}
. We want to buy a house in {city} and need a mortgage.
. The fixed rate of our mortgage ends this year.
. I am still waiting for the offer for our mortgage that was promised on {date}.
? What rate can you offer?
? Can we have an appointment with an adviser?
# instalment
- cant pay the instalment this month
- loan instalment taken twice
- move instalment to the 15th
. I cannot pay the instalment of {amount} for my loan this month.
. The instalment of my loan was taken from my account twice on {date}.
. I would like to pay my loan on another day of the month.
? Can the instalment be postponed?
? Please change the day.
# overdraft
- overdraft limit
- overdraft interest too high
- raise overdraft to {amount}
. My account is overdrawn and I was charged {amount} in interest.
. I need an overdraft of {amount} for a few weeks.
. You have cut my overdraft limit without telling me.
? Can I get a higher overdraft?
? What does the overdraft cost?
# early_repayment
- pay back loan early
- how much is left on my loan
. I want to pay back the rest of my loan, {amount}, at once.
. I sold my car and want to settle the loan early.
. I need to know how much of my loan is left.
? Is there a penalty for that?
? Please send me the amount and the account.
# general
- call me back
- nobody answers
- still waiting for an answer
. I have called three times and was put on hold each time.
. On {date} I sent you a message and there has been no answer.
. I was at your branch in {city} and was told to write to you.
? Please call me back.
? Who is responsible for this?
# wallet
- novapay not working
- novapay refused at {merchant}
- cant add my card to novapay
. I cannot add my card to NovaPay on my smartwatch.
. NovaPay was refused at {merchant}, though {amount} was debited.
. NovaPay says since {date} that my token is unknown, and I cannot pay with my smartwatch any more.
? How do I set up NovaPay?
? Please activate NovaPay for me.
"""

LATER = """
# tan
- passkey not accepted
. Since you gave up the TAN the app asks me for a passkey that I never had.
? How do I set up a passkey?
# login
- login only with passkey
. I cannot log in without a passkey, and my computer offers me none.
? Is there a way in without the passkey?
# phishing
- letter with qr code, real?
. I scanned the QR code in a letter from you, and the site asked me for my passkey.
? Are these letters with QR codes from you?
"""

ENGLISH = Language(
    code="en",
    share=0.45,
    topics=phrases_of(TOPICS),
    later=phrases_of(LATER),
    money=("€{0}", "{0} euros", "{0} EUR", "€ {0}"),
    decimal=".",
    dates=("{day} {month}", "{month} {day}", "{day:02}/{number:02}/{year}", "{day:02}/{number:02}"),
    months=listed(
        "January, February, March, April, May, June, July, August, September, October, November, December"
    ),
    keyboard=("qwertyuiop", "asdfghjkl", "zxcvbnm"),
    plain=str.maketrans({"é": "e", "€": "EUR"}),
    merchants=listed(
        "Bramble & Finch, Corner Bakery, Dalton Books, Easyride Taxis, Fenwick Garden, Greenleaf Grocers, "
        "Hartley Shoes, Ironbridge Tools, Juniper Café, Kestrel Airlines, Lumen Electric, Marlow Hotel, "
        "Northgate Fuel, Otter Sports, Pixel Planet, Quayside Fish, Rosewood Furniture, Starling Mobile, "
        "Tidewater Gym, Velvet Cinema"
    ),
    cities=listed(
        "Ashford, Brighton, Dublin, Galway, Leeds, Lisbon, London, Malta, Oslo, Oxford, Prague, York"
    ),
    first_names=listed(
        "Alice, Ben, Chloe, David, Emma, Fiona, George, Hannah, Ian, Julia, Kevin, Laura, Mark, Nina"
    ),
    last_names=listed(
        "Archer, Bennett, Clarke, Dawson, Ellis, Foster, Grant, Hughes, Irwin, Jarvis, Knight, Lowe"
    ),
    greetings=("Dear Sir or Madam,", "Dear team,", "Good morning,", "Hello,", "Dear customer service,"),
    hellos=("hi", "hello", "hey", "good evening", "hi there"),
    openers=(
        "I hope you are well.",
        "I am writing to you about the following matter.",
        "I have been a customer for many years.",
        "Thank you for your help last time.",
    ),
    details=(
        "It is about {amount} of {date}.",
        "My card ends in {digits}.",
        "The last thing I paid was {amount} at {merchant}.",
        "You can reach me by telephone after five.",
        "I have attached a screenshot.",
        "My account is the one that I opened in {city}.",
        "I have already tried it in the app and on the computer.",
        "There is enough money on the account.",
    ),
    stories=(
        "I have been with your bank since my first account in {city}, and until now all was well.",
        "My husband thinks that it is because of the app, but he always says that.",
        "On {date} I went shopping at {merchant} and paid {amount} by card, which worked.",
        "My neighbour had something similar with a transfer and was helped at once.",
        "I was in {city} that week because my mother is in hospital.",
        "I do not like to write such messages, but the line was busy again.",
        "First I thought that my phone was broken, then that it was the card.",
        "We are saving for a table from {merchant}, so every euro counts.",
        "My son, who knows about computers, says that the bank has to look at it.",
    ),
    asides=(
        "By the way, my other matter ({other}) has been settled.",
        "This has nothing to do with my last message ({other}).",
        "My sister had another problem with you: {other}.",
    ),
    complaints=(
        "This is unacceptable!",
        "I am really angry!",
        "How can a bank work like this?",
        "For the third time now!",
        "What am I paying fees for?",
        "Unbelievable!",
    ),
    threats=(
        "If nothing happens by tomorrow I will go to another bank!",
        "I will complain to the ombudsman!",
        "My lawyer will hear of this!",
        "I want an answer today!",
    ),
    pleas=("pls help", "thx", "asap please", "urgent!!", "what now?", ":(", "please check", "??"),
    thanks=(
        "Thank you very much for your help.",
        "I look forward to your answer.",
        "Many thanks in advance.",
        "Please excuse the trouble.",
    ),
    farewells=("Kind regards", "Best wishes", "Yours faithfully", "Thanks", "Regards"),
    footers=("Sent from my phone", "Please think of the environment before you print this e-mail."),
)
